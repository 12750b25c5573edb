import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Access } from './access.ts';
import { nothing } from './answer-forms.ts';
import { notFound } from './faults.ts';
import { artifactAt, artifactPath } from './in-repository.ts';
import type { LabelPorts } from './labels.ts';
import { operation } from './operation.ts';
import { storable } from './parameter-forms.ts';
import type { RepositoryPorts } from './repository-ports.ts';

/** Harbor's `Label`, of which the number alone counts. */
const labelToAdd = z.object({ id: z.int().nullish() });

/** Harbor's `artifact` operations on the labels of an artifact. */
export function artifactLabelRoutes(
  api: FastifyInstance,
  ports: Pick<RepositoryPorts, 'contents'> & { readonly labels: LabelPorts },
  access: Access,
): void {
  const { labels } = ports;

  /** A label that artifacts of the project can have. @throws RequestRefused 404 */
  async function labelIn(projectId: number, labelId: number) {
    const label = await labels.findLabel(storable(labelId));
    if (label !== undefined && (label.projectId === null || label.projectId === projectId)) return label;
    throw notFound(`label ${labelId} not found`);
  }

  operation(
    api,
    {
      id: 'addLabel',
      tag: 'artifact',
      method: 'POST',
      path: `${artifactPath}/labels`,
      summary: 'Adds a label of the system, or of its project, to an artifact.',
      body: labelToAdd,
      answer: nothing,
    },
    async ({ request, path, body }) => {
      const { project, metadata } = await access.inProject(request, 'artifact-label:create');
      const { id } = await body();
      const { repository, digest } = await artifactAt(ports, path);
      const label = await labelIn(project.projectId, id ?? 0);
      await labels.reached(await labels.attachLabel({ repository, digest, label }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'removeLabel',
      tag: 'artifact',
      method: 'DELETE',
      path: `${artifactPath}/labels/:label_id`,
      summary: 'Takes a label off an artifact.',
      answer: nothing,
    },
    async ({ request, path }) => {
      const { project, metadata } = await access.inProject(request, 'artifact-label:delete');
      const { repository, digest } = await artifactAt(ports, path);
      const label = await labelIn(project.projectId, path.label_id);
      await labels.reached(await labels.detachLabel({ repository, digest, label }, metadata));
    },
  );
}
