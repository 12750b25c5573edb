import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { JobKind } from '../../domain/execution/kinds.ts';
import { notifyTypes } from '../../domain/webhook/events.ts';
import type { Execution, execution, executions, task, tasks } from '../../projections/executions/queries.ts';
import type { Filter } from '../../projections/listing.ts';
import type { Access } from './access.ts';
import { lists, says, time } from './answer-forms.ts';
import { executionAnswer, shownExecution, shownTask, taskAnswer } from './execution-form.ts';
import { notFound } from './faults.ts';
import { operation } from './operation.ts';
import { id, required, text } from './parameter-forms.ts';
import { parameters } from './parameters.ts';
import type { Query } from './ports.ts';
import { type WebhookPorts, webhookPolicyFor, webhookPolicyPath } from './webhooks.ts';

export interface WebhookExecutionPorts extends Pick<WebhookPorts, 'findPolicy'> {
  readonly executions: Query<typeof executions>;
  readonly execution: Query<typeof execution>;
  readonly tasks: Query<typeof tasks>;
  readonly task: Query<typeof task>;
  /** What the task has said of its work so far. */
  taskLog(taskId: number): Promise<string>;
}

const tag = 'webhook';
/** More than there are. */
const maxStatuses = 10;
const executionsPath = `${webhookPolicyPath}/executions` as const;
const tasksPath = `${executionsPath}/:execution_id/tasks` as const;

/** How each is told. */
const kinds: Readonly<Partial<Record<JobKind, (typeof notifyTypes)[number]>>> = {
  WEBHOOK: 'http',
  SLACK: 'slack',
};
const kind = Object.keys(kinds) as readonly JobKind[];

/** Of its parameters what is told, and not where to. */
const toldOf = ({ parameters: { event_type, payload } }: Pick<Execution, 'parameters'>) => ({
  event_type: String(event_type ?? ''),
  payload: typeof payload === 'string' ? payload : JSON.stringify(payload ?? {}),
});

/** Harbor's `WebhookJob`. */
const jobAnswer = z
  .object({
    id: z.int(),
    policy_id: z.int(),
    event_type: z.string(),
    notify_type: z.enum(notifyTypes),
    status: z.string(),
    job_detail: z.string().describe('What was told'),
    creation_time: time,
    update_time: time,
  })
  .meta({ id: 'WebhookJob' });

/** Harbor's `webhook` operations on what its policies have told: one execution for each event and target. */
export function webhookExecutionRoutes(
  api: FastifyInstance,
  webhooks: WebhookExecutionPorts,
  access: Access,
): void {
  /** @throws RequestRefused 404 for an execution of something else */
  async function requireExecution(executionId: number, policyId: number): Promise<void> {
    const found = await webhooks.execution(executionId);
    if (found === undefined || found.vendorId !== policyId || !kind.includes(found.kind))
      throw notFound(`execution ${executionId} not found in policy ${policyId}`);
  }

  operation(
    api,
    {
      id: 'ListExecutionsOfWebhookPolicy',
      tag,
      method: 'GET',
      path: executionsPath,
      summary: 'What a policy has told, or tries to tell, the latest first.',
      answer: lists(executionAnswer),
    },
    async ({ request, path: { webhook_policy_id: policyId }, listing }) => {
      await webhookPolicyFor(webhooks, access, request, policyId, 'notification-policy:read');
      const { rows, total } = await webhooks.executions({ kind, vendorId: policyId }, listing);
      return { rows: rows.map((row) => shownExecution(row, toldOf(row))), total };
    },
  );

  operation(
    api,
    {
      id: 'ListTasksOfWebhookExecution',
      tag,
      method: 'GET',
      path: tasksPath,
      summary: 'The deliveries of an execution.',
      answer: lists(taskAnswer),
    },
    async ({ request, path, listing }) => {
      const { webhook_policy_id: policyId, execution_id: executionId } = path;
      await webhookPolicyFor(webhooks, access, request, policyId, 'notification-policy:read');
      await requireExecution(executionId, policyId);
      const { rows, total } = await webhooks.tasks(executionId, listing);
      return { rows: rows.map(shownTask), total };
    },
  );

  operation(
    api,
    {
      id: 'GetLogsOfWebhookTask',
      tag,
      method: 'GET',
      path: `${tasksPath}/:task_id/log`,
      summary: 'What a delivery has said of its work.',
      answer: says(),
    },
    async ({ request, path }) => {
      const { webhook_policy_id: policyId, execution_id: executionId, task_id: taskId } = path;
      await webhookPolicyFor(webhooks, access, request, policyId, 'notification-policy:read');
      await requireExecution(executionId, policyId);
      if ((await webhooks.task(executionId, taskId)) === undefined)
        throw notFound(`task ${taskId} not found in execution ${executionId}`);
      return webhooks.taskLog(taskId);
    },
  );

  operation(
    api,
    {
      id: 'ListWebhookJobs',
      tag: 'webhookjob',
      method: 'GET',
      path: '/projects/:project_name_or_id/webhook/jobs',
      summary: 'What a policy has told, in an older form.',
      query: {
        policy_id: required(id),
        status: text.meta({
          parameter: {
            type: 'string',
            description: 'One or several, separated by commas or given one by one',
          },
        }),
      },
      answer: lists(jobAnswer),
    },
    async ({ request, query: { policy_id: policyId }, listing }) => {
      await webhookPolicyFor(webhooks, access, request, policyId, 'notification-policy:list');
      const statuses = parameters(request, 'status');
      const asked: Filter[] =
        statuses.length === 0 ? [] : [{ key: 'status', kind: 'any', values: statuses.slice(0, maxStatuses) }];
      const page = { ...listing, filters: [...listing.filters, ...asked] };
      const { rows, total } = await webhooks.executions({ kind, vendorId: policyId }, page);
      return {
        rows: rows.map((row) => ({
          id: row.executionId,
          policy_id: row.vendorId,
          event_type: toldOf(row).event_type,
          notify_type: kinds[row.kind] ?? 'http',
          status: row.status,
          job_detail: toldOf(row).payload,
          creation_time: row.startedAt,
          update_time: row.updatedAt,
        })),
        total,
      };
    },
  );
}
