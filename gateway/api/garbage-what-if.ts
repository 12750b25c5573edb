import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { whatIfParameters } from '../../domain/garbage-collection/parameters.ts';
import type { JobResults } from '../../infra/job-results/port.ts';
import type { Access } from './access.ts';
import { begins, listsAfter, shows, time } from './answer-forms.ts';
import { rowsAfter } from './job-result-pages.ts';
import { operation } from './operation.ts';
import { id, limit } from './parameter-forms.ts';
import { readParameters, type SystemJobPorts, startedJob, startManually, systemJob } from './system-job.ts';

export interface GarbageWhatIfPorts extends SystemJobPorts {
  readonly results: Pick<JobResults, 'read'>;
}

const tag = 'gc';
const path = '/system/gc/what-if/:execution_id';

const bytes = z.int().describe('Stored bytes');
const answer = z
  .object({
    id: z.int(),
    job_id: z.string(),
    status: z.string(),
    message: z.string().describe('Why it has failed; empty otherwise'),
    parameters: z.record(z.string(), z.unknown()),
    creation_time: time,
    update_time: time,
    result: z
      .object({
        blobs: z.int().describe('Each as often as a repository holds it'),
        manifests: z.int(),
        orphans: z.int().describe('Stored bytes that no event names'),
        bytes,
        in_grace: z
          .object({ blobs: z.int(), manifests: z.int(), bytes })
          .describe('What nothing needs, and that is kept because it is young'),
        bytes_by_project: z.array(
          z.object({ project: z.string().nullable().describe('Null for all others together'), bytes }),
        ),
      })
      .optional()
      .describe('What would be gone; not there before the end'),
  })
  .meta({ id: 'GarbageWhatIf' });
type Result = NonNullable<z.output<typeof answer>['result']>;

const row = z
  .object({
    outcome: z.enum(['gone', 'kept']),
    kind: z.enum(['blob', 'manifest', 'orphan']),
    repository: z.string().optional().describe('None for bytes that no event names'),
    digest: z.string(),
    bytes,
    why: z.string(),
    until: time.optional().describe('When its grace is over'),
  })
  .meta({ id: 'GarbageWhatIfRow' });
type Row = z.output<typeof row>;

/** What a collection under other settings would come to; ours, beyond Harbor. */
export function garbageWhatIfRoutes(api: FastifyInstance, ports: GarbageWhatIfPorts, access: Access): void {
  const job = systemJob('GC_WHAT_IF', ports);

  operation(
    api,
    {
      id: 'startGCWhatIf',
      tag,
      method: 'POST',
      path: '/system/gc/what-if',
      summary: 'Begins to find out what would be gone in the end under these settings; changes nothing.',
      body: z.record(z.string(), z.unknown()),
      bodyIsOptional: true,
      answer: begins(startedJob),
    },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, 'garbage-collection:create');
      const parameters = readParameters(whatIfParameters, await body());
      return startManually(ports, 'GC_WHAT_IF', parameters, metadata);
    },
  );

  operation(
    api,
    {
      id: 'getGCWhatIf',
      tag,
      method: 'GET',
      path,
      summary: 'What would be gone, and the bytes of each project.',
      answer: shows(answer),
    },
    async ({ request, path: { execution_id } }) => {
      await access.inSystem(request, 'garbage-collection:read');
      const { execution, task } = await job.findWithTask(execution_id);
      const result = task.result as Result | undefined;
      return {
        id: execution.executionId,
        job_id: task.jobId,
        status: execution.status,
        message: task.message,
        parameters: execution.parameters,
        creation_time: execution.startedAt,
        update_time: execution.updatedAt,
        // One that was stopped has none.
        ...(result?.bytes !== undefined && { result }),
      };
    },
  );

  operation(
    api,
    {
      id: 'listGCWhatIfRows',
      tag,
      method: 'GET',
      path: `${path}/rows`,
      summary: 'The largest things that would be gone, then those that are kept because they are young.',
      query: { after: id, limit },
      answer: listsAfter(row),
    },
    async ({ request, path: { execution_id }, query: { after = 0, limit } }) => {
      await access.inSystem(request, 'garbage-collection:read');
      const { task } = await job.findWithTask(execution_id);
      const { rows, next } = await rowsAfter<Row>(ports.results, task.taskId, after, limit);
      return { rows: rows.map(({ row }) => row), total: undefined, next };
    },
  );
}
