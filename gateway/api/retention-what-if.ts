import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { RemovalRow } from '../../domain/retention/row.ts';
import type { findRetentionPolicyOf } from '../../projections/retention/queries.ts';
import type { Access } from './access.ts';
import { type AnswerForm, listsAfter, shows, time } from './answer-forms.ts';
import { badRequest, notFound, unauthorized } from './faults.ts';
import { resultsAfter } from './job-result-pages.ts';
import { operation } from './operation.ts';
import { limit, text } from './parameter-forms.ts';
import type { Query } from './ports.ts';
import { readRules, readScope, retentionForm } from './retention-form.ts';
import { type RetentionRunPorts, requireNoneWaits } from './retention-runs.ts';
import { projectInScope } from './retentions.ts';

export interface RetentionWhatIfPorts extends RetentionRunPorts {
  readonly findRetentionPolicyOf: Query<typeof findRetentionPolicyOf>;
}

const kind = 'RETENTION_WHAT_IF';
const tag = 'Retention';
const path = '/retentions/what-if';
const standardDays = 90;
const maxDays = 365;

const whatIfForm = retentionForm.pick({ scope: true, rules: true }).extend({
  days: z.int().min(1).max(maxDays).nullish().describe('Over how many days the rules are replayed'),
});

const whatIfAnswer = z
  .object({
    id: z.int().describe('The number of the execution'),
    job_id: z.string(),
    project_id: z.int(),
    status: z.string(),
    message: z.string().optional().describe('Why it has failed'),
    days: z.int(),
    until: z.iso.datetime().describe('When the last of the daily runs would have been'),
    start_time: time.optional(),
    end_time: time.optional(),
    removed: z.int().optional().describe('How many artifacts would have been removed; when it is through'),
    bytes: z.int().optional().describe('What it takes to pull all of those, of which they share some'),
    pulled_afterwards: z.int().optional().describe('How many of them were pulled after that'),
  })
  .meta({ id: 'RetentionWhatIf' });

const removalAnswer = z
  .object({
    repository: z.string(),
    digest: z.string(),
    tags: z.array(z.string()),
    removed_at: z.iso.datetime().describe('The run that would have removed it'),
    why: z.string().describe('What each rule has found then'),
    push_time: z.iso.datetime(),
    pull_time: z.iso.datetime().optional().describe('The last before that run'),
    size: z.int().describe('Bytes of all that it takes to pull it'),
    pulls_afterwards: z.int().describe('How often it was pulled after that run'),
    last_pull_afterwards: z.iso.datetime().optional(),
  })
  .meta({ id: 'RetentionRemoval' });

const shownRemoval = (row: RemovalRow) => ({
  repository: row.repository,
  digest: row.digest,
  tags: row.tags,
  removed_at: row.removedAt,
  why: row.why,
  push_time: row.pushedAt,
  ...(row.pulledAt !== null && { pull_time: row.pulledAt }),
  size: row.size,
  pulls_afterwards: row.pulls,
  ...(row.lastPulledAt !== null && { last_pull_afterwards: row.lastPulledAt }),
});

/** 202 with the number of an execution, and where its results come to be. */
const begins: AnswerForm<number> = {
  status: 202,
  description: 'It has begun',
  schema: z.object({ id: z.int() }),
  headers: { Location: 'Where to ask how far it is' },
  send: (id, { request, reply }) =>
    reply
      .code(202)
      .header('location', `${request.url.split('?', 1)[0]}/${id}`)
      .send({ id }),
};

/** Our own operations: what rules would have removed from a project in the past, if they had run daily. */
export function retentionWhatIfRoutes(
  api: FastifyInstance,
  ports: RetentionWhatIfPorts,
  access: Access,
): void {
  operation(
    api,
    {
      id: 'startRetentionWhatIf',
      tag,
      method: 'POST',
      path,
      summary: 'Replays rules over the past of a project: those of the body, or else those of its policy.',
      body: whatIfForm,
      answer: begins,
    },
    async ({ request, body }) => {
      const asker = await access.known(request);
      const form = await body();
      const { project } = await projectInScope(access, asker, readScope(form), 'update');
      const { name, projectId } = project;
      const given = readRules(form.rules);
      const rules = given.length > 0 ? given : ((await ports.findRetentionPolicyOf(projectId))?.rules ?? []);
      if (rules.length === 0) throw badRequest('there are no rules to replay');
      await requireNoneWaits(ports, { kind, vendorId: projectId });
      const days = form.days ?? standardDays;
      const parameters = { project: name, rules, days, until: new Date().toISOString() };
      const { executionId, position } = await ports.startExecution(
        { kind, vendorId: projectId, trigger: 'MANUAL', parameters, tasks: [{ parameters }] },
        asker.metadata,
      );
      await ports.executionsReached(position);
      return executionId;
    },
  );

  /** The execution of the path and its one task, for who may see what its project keeps. */
  async function found(request: FastifyRequest, executionId: number) {
    const asker = await access.anyone(request);
    const execution = await ports.execution(executionId);
    if (execution?.kind !== kind) {
      if (asker.principal.kind === 'anonymous') throw unauthorized();
      throw notFound(`execution ${executionId} not found`);
    }
    await access.inNumberedProject(asker, execution.vendorId, 'tag-retention:list');
    const { rows } = await ports.tasks(executionId, { filters: [], sort: [], offset: 0, limit: 1 });
    const [task] = rows;
    if (task === undefined) throw notFound(`execution ${executionId} not found`);
    return { execution, task };
  }

  operation(
    api,
    {
      id: 'getRetentionWhatIf',
      tag,
      method: 'GET',
      path: `${path}/:execution_id`,
      summary: 'How far a replay of rules is, and what it has found in all.',
      answer: shows(whatIfAnswer),
    },
    async ({ request, path: { execution_id } }) => {
      const { execution, task } = await found(request, execution_id);
      const { removed, bytes, pulledAfterwards } = (task.result ?? {}) as Partial<Record<string, number>>;
      return {
        id: execution.executionId,
        job_id: task.jobId,
        project_id: execution.vendorId,
        status: execution.status,
        ...(task.message !== '' && { message: task.message }),
        days: Number(execution.parameters.days),
        until: String(execution.parameters.until),
        ...(task.startedAt !== undefined && { start_time: task.startedAt }),
        ...(task.endedAt !== undefined && { end_time: task.endedAt }),
        ...(removed !== undefined && { removed }),
        ...(bytes !== undefined && { bytes }),
        ...(pulledAfterwards !== undefined && { pulled_afterwards: pulledAfterwards }),
      };
    },
  );

  operation(
    api,
    {
      id: 'listRetentionWhatIfArtifacts',
      tag,
      method: 'GET',
      path: `${path}/:execution_id/artifacts`,
      summary: 'What the rules would have removed, when and why, and what of it was pulled after that.',
      query: { after: text, limit },
      answer: listsAfter(removalAnswer),
    },
    async ({ request, path: { execution_id }, query }) => {
      const { task } = await found(request, execution_id);
      const page = await resultsAfter<RemovalRow>(ports.results, task.taskId, query);
      return { ...page, rows: page.rows.map(({ row }) => shownRemoval(row)) };
    },
  );
}
