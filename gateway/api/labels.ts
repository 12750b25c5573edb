import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { attachLabel, detachLabel } from '../../commands/attach-label.ts';
import type { changeLabel } from '../../commands/change-label.ts';
import type { createLabel } from '../../commands/create-label.ts';
import type { deleteLabel } from '../../commands/delete-label.ts';
import type { findLabel, Label, labelsOf, listLabels } from '../../projections/labels/queries.ts';
import type { Filter } from '../../projections/listing.ts';
import type { Access, Asker } from './access.ts';
import { creates, lists, nothing, shows } from './answer-forms.ts';
import { badRequest, notFound, unauthorized } from './faults.ts';
import { type LabelForm, labelAnswer, labelForm, readLabel, shownLabel } from './label-form.ts';
import { operation } from './operation.ts';
import { id, text } from './parameter-forms.ts';
import type { Command, Query } from './ports.ts';

export interface LabelPorts {
  readonly findLabel: Query<typeof findLabel>;
  readonly listLabels: Query<typeof listLabels>;
  readonly labelsOf: Query<typeof labelsOf>;
  readonly createLabel: Command<typeof createLabel>;
  readonly changeLabel: Command<typeof changeLabel>;
  readonly deleteLabel: Command<typeof deleteLabel>;
  readonly attachLabel: Command<typeof attachLabel>;
  readonly detachLabel: Command<typeof detachLabel>;
  /** Resolves when labels, and what they are attached to, are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
}

type Action = 'create' | 'read' | 'update' | 'delete';
const tag = 'label';
const path = '/labels/:label_id';

/** Harbor's `label` operations. */
export function labelRoutes(api: FastifyInstance, labels: LabelPorts, access: Access): void {
  /** The label of the path, for who may do this with labels of its project, or of the system. */
  async function labelFor(
    request: FastifyRequest,
    labelId: number,
    action: Action,
  ): Promise<Asker & { readonly label: Label }> {
    const asker = await access.anyone(request);
    const label = await labels.findLabel(labelId);
    if (label === undefined) {
      if (asker.principal.kind === 'anonymous') throw unauthorized();
      throw notFound(`label ${labelId} not found`);
    }
    await access.inProjectOrSystem(asker, label.projectId, `label:${action}`);
    return { ...asker, label };
  }

  operation(
    api,
    {
      id: 'ListLabels',
      tag,
      method: 'GET',
      path: '/labels',
      summary: 'The labels of the system, which everybody may see, or those of a project.',
      query: { name: text, scope: text, project_id: id },
      answer: lists(labelAnswer),
    },
    async ({ request, listing, query: { name, scope, project_id: projectId = 0 } }) => {
      const asker = await access.anyone(request);
      if (scope !== 'g' && scope !== 'p') throw badRequest(`invalid scope: ${scope ?? ''}`);
      if (scope === 'p') {
        if (projectId === 0) throw badRequest('must with project ID when to query project labels');
        await access.inNumberedProject(asker, projectId, 'label:list');
      }
      const named: Filter[] = name === undefined ? [] : [{ key: 'name', kind: 'contains', value: name }];
      const filters = [...listing.filters, ...named];
      const { rows, total } = await labels.listLabels(scope === 'p' ? projectId : null, {
        ...listing,
        filters,
      });
      return { rows: rows.map(shownLabel), total };
    },
  );

  operation(
    api,
    {
      id: 'CreateLabel',
      tag,
      method: 'POST',
      path: '/labels',
      summary: 'Creates a label for the system, or for a project.',
      body: labelForm,
      answer: creates,
    },
    async ({ request, body }) => {
      const asker = await access.known(request);
      const form = await body();
      const project = await projectIn(form, asker);
      const created = await labels.createLabel({ ...readLabel(form), project }, asker.metadata);
      await labels.reached(created.position);
      return { id: created.labelId };
    },
  );

  /** Where the label is to be, for who may create one there; null for the system. */
  async function projectIn({ scope, project_id: projectId }: LabelForm, asker: Asker) {
    if (scope === 'g') {
      access.requireInSystem(asker, 'label:create');
      return null;
    }
    if (scope !== 'p') throw badRequest(`invalid scope: ${scope}`);
    if (!projectId) throw badRequest('a label of a project names it by its project_id');
    return (await access.inNumberedProject(asker, projectId, 'label:create')).project;
  }

  operation(
    api,
    {
      id: 'GetLabelByID',
      tag,
      method: 'GET',
      path,
      summary: 'A label.',
      answer: shows(labelAnswer),
    },
    async ({ request, path: { label_id } }) => shownLabel((await labelFor(request, label_id, 'read')).label),
  );

  operation(
    api,
    {
      id: 'UpdateLabel',
      tag,
      method: 'PUT',
      path,
      summary: 'Gives a label another name, description and color; it stays where it is.',
      body: labelForm,
      answer: nothing,
    },
    async ({ request, path: { label_id }, body }) => {
      const { label, metadata } = await labelFor(request, label_id, 'update');
      const { labelId, projectId } = label;
      const change = { labelId, projectId, ...readLabel(await body()) };
      await labels.reached(await labels.changeLabel(change, metadata));
    },
  );

  operation(
    api,
    {
      id: 'DeleteLabel',
      tag,
      method: 'DELETE',
      path,
      summary: 'Deletes a label, and takes it off every artifact.',
      answer: nothing,
    },
    async ({ request, path: { label_id } }) => {
      const { label, metadata } = await labelFor(request, label_id, 'delete');
      const { labelId, projectId } = label;
      await labels.reached(await labels.deleteLabel({ labelId, projectId }, metadata));
    },
  );
}
