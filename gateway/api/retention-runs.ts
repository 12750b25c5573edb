import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { startExecution } from '../../commands/start-execution.ts';
import type { stopExecution } from '../../commands/stop-execution.ts';
import type { RetentionRow } from '../../domain/retention/row.ts';
import type { JobResults, ResultRow } from '../../infra/job-results/port.ts';
import type {
  Execution,
  execution,
  executions,
  OfVendor,
  Task,
  task,
  tasks,
} from '../../projections/executions/queries.ts';
import type { Access } from './access.ts';
import { creates, lists, listsAfter, nothing, says } from './answer-forms.ts';
import { badRequest, conflict, notFound } from './faults.ts';
import { resultsAfter } from './job-result-pages.ts';
import { operation } from './operation.ts';
import { limit, text } from './parameter-forms.ts';
import type { Command, Query } from './ports.ts';
import { policyFor, type RetentionPorts } from './retentions.ts';

/** What runs of policies, and what they have found, are shown by. */
export interface RetentionRunPorts {
  readonly startExecution: Command<typeof startExecution>;
  readonly stopExecution: Command<typeof stopExecution>;
  readonly executions: Query<typeof executions>;
  readonly execution: Query<typeof execution>;
  readonly tasks: Query<typeof tasks>;
  readonly task: Query<typeof task>;
  readonly results: Pick<JobResults, 'count' | 'read'>;
  /** All that a task has said so far, as text. */
  logOf(taskId: number): Promise<string>;
  /** Resolves when executions are shown as they were at the position. */
  executionsReached(position: bigint): Promise<void>;
}

const kind = 'RETENTION';
const tag = 'Retention';
const path = '/retentions/:id/executions';
const one = '/retentions/:id/executions/:eid';
const oneTask = '/retentions/:id/executions/:eid/tasks/:tid';
/** More than there are, but for those that were asked for in one moment, or to stop. */
const waitingAtMost = 100;

/** In fields that Harbor has as text. */
const seconds = (at: Date | undefined): string | undefined => at && `${at.toISOString().slice(0, 19)}Z`;
const when = z.string().optional().describe('RFC 3339, in UTC');

const executionAnswer = z
  .object({
    id: z.int(),
    policy_id: z.int(),
    start_time: when,
    end_time: when,
    status: z.string(),
    trigger: z.enum(['Manual', 'Schedule', 'Event']),
    dry_run: z.boolean(),
  })
  .meta({ id: 'RetentionExecution' });

const triggers = { MANUAL: 'Manual', SCHEDULE: 'Schedule', EVENT: 'Event' } as const;

const shownExecution = ({ executionId, vendorId, parameters, status, ...run }: Execution) => ({
  id: executionId,
  policy_id: vendorId,
  start_time: seconds(run.startedAt),
  end_time: seconds(run.endedAt),
  status,
  trigger: triggers[run.trigger as keyof typeof triggers],
  dry_run: parameters.dryRun === true,
});

const taskAnswer = z
  .object({
    id: z.int(),
    execution_id: z.int(),
    repository: z.string().describe('Without the project'),
    job_id: z.string(),
    status: z.string(),
    status_code: z.int(),
    status_revision: z.int(),
    start_time: when,
    end_time: when,
    total: z.int().describe('How many artifacts the repository had'),
    retained: z.int().describe('How many of them stay'),
    removes_everything: z.boolean().describe('Whether the rules keep nothing of it').optional(),
    message: z.string().describe('Why it has failed').optional(),
  })
  .meta({ id: 'RetentionExecutionTask' });

/** Harbor's, by which its own parts compare what they hear. */
const codes: Readonly<Record<string, number>> = { Pending: 0, Scheduled: 1, Running: 2 };
const ended = 3;

const shownTask = (task: Task) => {
  const { total = 0, retained = 0, removesEverything = false } = task.result ?? {};
  const repository = String(task.parameters.repository ?? '');
  return {
    id: task.taskId,
    execution_id: task.executionId,
    repository: repository.slice(repository.indexOf('/') + 1),
    job_id: task.jobId,
    status: task.status,
    status_code: codes[task.status] ?? ended,
    status_revision: Math.floor(task.updatedAt.getTime() / 1000),
    start_time: seconds(task.startedAt ?? task.createdAt),
    end_time: seconds(task.endedAt),
    total: Number(total),
    retained: Number(retained),
    ...(removesEverything === true && { removes_everything: true }),
    ...(task.message !== '' && { message: task.message }),
  };
};

const rowAnswer = z
  .object({
    digest: z.string(),
    tags: z.array(z.string()).describe('All that it had when it was decided; none where it is empty'),
    kept: z.boolean().describe('Whether it was decided to keep it'),
    cause: z
      .enum(['rule', 'immutable', 'part-of-index', 'untagged', 'no-rule-here', 'no-rule-keeps'])
      .describe('Why'),
    rule_id: z.int().optional().describe('The first rule that keeps it'),
    why: z.string().describe('The same in words, with what each rule has found'),
    outcome: z
      .enum(['removed', 'changed', 'immutable', 'part-of-index'])
      .optional()
      .describe('What then became of one that was to go; absent in a dry run, and before'),
    push_time: z.iso.datetime(),
    pull_time: z.iso.datetime().optional().describe('Absent for one that was never pulled'),
    size: z.int().describe('Bytes of all that it takes to pull it'),
  })
  .meta({ id: 'RetentionArtifact' });

const shownRow = ({ row }: ResultRow<RetentionRow>) => ({
  digest: row.digest,
  tags: row.tags,
  kept: row.kept,
  cause: row.cause,
  ...(row.rule !== null && { rule_id: row.rule }),
  why: row.why,
  ...(row.outcome !== null && { outcome: row.outcome }),
  push_time: row.pushedAt,
  ...(row.pulledAt !== null && { pull_time: row.pulledAt }),
  size: row.size,
});

/**
 * One that waits will find all that another one would. @param isAlike whether it does the same.
 * @throws RequestRefused 409
 */
export async function requireNoneWaits(
  { executions }: Pick<RetentionRunPorts, 'executions'>,
  of: OfVendor,
  isAlike: (waiting: Execution) => boolean = () => true,
): Promise<void> {
  const filters = [{ key: 'status', kind: 'any', values: ['Pending', 'Scheduled'] }] as const;
  const { rows } = await executions(of, { filters, sort: [], offset: 0, limit: waitingAtMost });
  const waiting = rows.find((execution) => !execution.stopRequested && isAlike(execution));
  if (waiting !== undefined) throw conflict(`execution ${waiting.executionId} waits to do the same`);
}

/** Harbor's `Retention` operations on runs of policies, and our own on what they have decided. */
export function retentionRunRoutes(
  api: FastifyInstance,
  ports: RetentionPorts & RetentionRunPorts,
  access: Access,
): void {
  const policyOf = (request: FastifyRequest, id: number, action: 'read' | 'update' | 'list') =>
    policyFor(ports, access, request, id, action, badRequest);

  /** @throws RequestRefused 404, for one of another policy too */
  async function executionOf(policyId: number, executionId: number): Promise<Execution> {
    const found = await ports.execution(executionId);
    if (found?.kind !== kind || found.vendorId !== policyId)
      throw notFound(`execution ${executionId} not found`);
    return found;
  }

  /** @throws RequestRefused 404 */
  async function taskOf(policyId: number, executionId: number, taskId: number): Promise<Task> {
    await executionOf(policyId, executionId);
    const found = await ports.task(executionId, taskId);
    if (found === undefined) throw notFound(`task ${taskId} not found`);
    return found;
  }

  operation(
    api,
    {
      id: 'triggerRetentionExecution',
      tag,
      method: 'POST',
      path,
      summary: 'Runs a policy now; in a dry run nothing is removed.',
      body: z.object({ dry_run: z.boolean().nullish() }),
      answer: creates,
    },
    async ({ request, path: { id }, body }) => {
      const { metadata } = await policyOf(request, id, 'update');
      const dryRun = (await body()).dry_run ?? false;
      const parameters = { dryRun };
      await requireNoneWaits(ports, { kind, vendorId: id }, (run) => run.parameters.dryRun === dryRun);
      const { executionId, position } = await ports.startExecution(
        { kind, vendorId: id, trigger: 'MANUAL', parameters, tasks: [{ parameters }] },
        metadata,
      );
      await ports.executionsReached(position);
      return { id: executionId };
    },
  );

  operation(
    api,
    {
      id: 'listRetentionExecutions',
      tag,
      method: 'GET',
      path,
      summary: 'The runs of a policy, the latest first.',
      answer: lists(executionAnswer, 'paged'),
    },
    async ({ request, path: { id }, listing }) => {
      await policyOf(request, id, 'list');
      const { rows, total } = await ports.executions({ kind, vendorId: id }, listing);
      return { rows: rows.map(shownExecution), total };
    },
  );

  operation(
    api,
    {
      id: 'operateRetentionExecution',
      tag,
      method: 'PATCH',
      path: one,
      summary: 'Stops a run; what it has removed stays removed.',
      body: z.object({ action: z.string().nullish() }),
      answer: nothing,
    },
    async ({ request, path: { id, eid }, body }) => {
      const { metadata } = await policyOf(request, id, 'update');
      const { action } = await body();
      if (action !== 'stop') throw badRequest(`action should be 'stop'`);
      await executionOf(id, eid);
      await ports.executionsReached(await ports.stopExecution(eid, metadata));
    },
  );

  operation(
    api,
    {
      id: 'listRetentionTasks',
      tag,
      method: 'GET',
      path: `${one}/tasks`,
      summary: 'The tasks of a run, one for each repository in which a rule counts.',
      answer: lists(taskAnswer, 'paged'),
    },
    async ({ request, path: { id, eid }, listing }) => {
      await policyOf(request, id, 'list');
      await executionOf(id, eid);
      // The first task looks for the repositories, and Harbor has no such thing.
      const offset = listing.offset + 1;
      const { rows, total } = await ports.tasks(eid, { ...listing, offset });
      return { rows: rows.map(shownTask), total: Math.max(total - 1, 0) };
    },
  );

  operation(
    api,
    {
      id: 'getRetentionTaskLog',
      tag,
      method: 'GET',
      path: oneTask,
      summary: 'The log of a task: each artifact with its tags, whether it stays, and why.',
      answer: says(),
    },
    async ({ request, path: { id, eid, tid } }) => {
      await policyOf(request, id, 'read');
      return ports.logOf((await taskOf(id, eid, tid)).taskId);
    },
  );

  operation(
    api,
    {
      id: 'listRetentionTaskArtifacts',
      tag,
      method: 'GET',
      path: `${oneTask}/artifacts`,
      summary: 'What a task has decided about each artifact of its repository, by which rule and why.',
      query: { after: text, limit },
      answer: listsAfter(rowAnswer),
    },
    async ({ request, path: { id, eid, tid }, query }) => {
      await policyOf(request, id, 'list');
      const { taskId } = await taskOf(id, eid, tid);
      const page = await resultsAfter<RetentionRow>(ports.results, taskId, query);
      return { ...page, rows: page.rows.map(shownRow) };
    },
  );
}
