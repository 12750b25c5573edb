import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { changeRetentionPolicy } from '../../commands/change-retention-policy.ts';
import type { createRetentionPolicy } from '../../commands/create-retention-policy.ts';
import type { deleteRetentionPolicy } from '../../commands/delete-retention-policy.ts';
import { retentionKey } from '../../domain/project/metadata.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { findRetentionPolicy, RetentionPolicy } from '../../projections/retention/queries.ts';
import type { scheduleOf } from '../../projections/schedules/queries.ts';
import { RequestRefused } from '../errors.ts';
import type { Access, Asker, InProject } from './access.ts';
import { creates, nothing, shows } from './answer-forms.ts';
import { nextScheduledTime, readCron } from './cron-form.ts';
import { badRequest, notFound, unauthorized } from './faults.ts';
import { operation } from './operation.ts';
import type { Command, Query } from './ports.ts';
import {
  readPolicy,
  readScope,
  retentionAnswer,
  retentionForm,
  retentionMetadata,
  retentionMetadataAnswer,
  shownPolicy,
} from './retention-form.ts';

export interface RetentionPorts {
  readonly findRetentionPolicy: Query<typeof findRetentionPolicy>;
  readonly scheduleOf: Query<typeof scheduleOf>;
  readonly createRetentionPolicy: Command<typeof createRetentionPolicy>;
  readonly changeRetentionPolicy: Command<typeof changeRetentionPolicy>;
  readonly deleteRetentionPolicy: Command<typeof deleteRetentionPolicy>;
  /** Resolves when policies, their schedules and the settings of projects are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
}

type Action = 'create' | 'read' | 'update' | 'delete' | 'list';
const tag = 'Retention';
const path = '/retentions/:id';

/** The policy of the path, for who may do this in its project. @throws RequestRefused `unknown`, 401, 403 */
export async function policyFor(
  { findRetentionPolicy }: Pick<RetentionPorts, 'findRetentionPolicy'>,
  access: Access,
  request: FastifyRequest,
  policyId: number,
  action: Action,
  unknown: (message: string) => RequestRefused,
): Promise<InProject & { readonly policy: RetentionPolicy }> {
  const asker = await access.anyone(request);
  const policy = await findRetentionPolicy(policyId);
  if (policy === undefined) {
    if (asker.principal.kind === 'anonymous') throw unauthorized();
    throw unknown(`no such Retention policy with id ${policyId}`);
  }
  return { ...(await access.inNumberedProject(asker, policy.projectId, `tag-retention:${action}`)), policy };
}

/** The project of the scope, for who may do this there; one that is not there is a fault of the body. */
export async function projectInScope(
  access: Access,
  asker: Asker,
  projectId: number,
  action: Action,
): Promise<InProject> {
  try {
    return await access.inNumberedProject(asker, projectId, `tag-retention:${action}`);
  } catch (error) {
    if (error instanceof RequestRefused && error.answer.status === 404)
      throw badRequest(`invalid Project id ${projectId}`);
    throw error;
  }
}

/** Harbor's `Retention` operations on policies. */
export function retentionRoutes(api: FastifyInstance, retentions: RetentionPorts, access: Access): void {
  operation(
    api,
    {
      id: 'getRentenitionMetadata',
      tag,
      method: 'GET',
      path: '/retentions/metadatas',
      summary: 'What rules and selectors of policies can say.',
      answer: shows(retentionMetadataAnswer),
    },
    async ({ request }) => {
      await access.known(request);
      return retentionMetadata;
    },
  );

  operation(
    api,
    {
      id: 'createRetention',
      tag,
      method: 'POST',
      path: '/retentions',
      summary: 'Gives a project rules about which artifacts it keeps, in a policy, of which it has one.',
      body: retentionForm,
      answer: creates,
    },
    async ({ request, body }) => {
      const asker = await access.known(request);
      const form = await body();
      const { project } = await projectInScope(access, asker, readScope(form), 'create');
      const settings = readPolicy(form, readCron);
      const { name, projectId } = project;
      const bound = project.metadata[retentionKey];
      if (bound !== undefined)
        throw new Refusal({ kind: 'retention-exists', projectId, policyId: Number(bound) });
      const policy = { project: name, projectId, ...settings };
      const { policyId, position } = await retentions.createRetentionPolicy(policy, asker.metadata);
      await retentions.reached(position);
      return { id: policyId };
    },
  );

  operation(
    api,
    {
      id: 'getRetention',
      tag,
      method: 'GET',
      path,
      summary: 'A policy.',
      answer: shows(retentionAnswer),
    },
    async ({ request, path: { id } }) => {
      const { policy } = await policyFor(retentions, access, request, id, 'read', notFound);
      const schedule = await retentions.scheduleOf('RETENTION', id);
      const next = schedule && nextScheduledTime(schedule, new Date());
      return shownPolicy(policy, schedule && { scheduleId: schedule.scheduleId, next });
    },
  );

  operation(
    api,
    {
      id: 'updateRetention',
      tag,
      method: 'PUT',
      path,
      summary: 'Gives a policy other rules and another schedule; it stays that of its project.',
      body: retentionForm,
      answer: nothing,
    },
    async ({ request, path: { id }, body }) => {
      const { policy, metadata } = await policyFor(retentions, access, request, id, 'update', notFound);
      const form = await body();
      if (readScope(form) !== policy.projectId)
        throw notFound(`project ${readScope(form)} has no retention policy ${id}`);
      const change = { policyId: id, ...readPolicy(form, readCron) };
      await retentions.reached(await retentions.changeRetentionPolicy(change, metadata));
    },
  );

  operation(
    api,
    {
      id: 'deleteRetention',
      tag,
      method: 'DELETE',
      path,
      summary: 'Deletes a policy with its schedule: its project keeps all of its artifacts.',
      answer: nothing,
    },
    async ({ request, path: { id } }) => {
      const { policy, metadata } = await policyFor(retentions, access, request, id, 'delete', badRequest);
      await retentions.reached(await retentions.deleteRetentionPolicy(policy, metadata));
    },
  );
}
