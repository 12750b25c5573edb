import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { JobKind } from '../../domain/execution/kinds.ts';
import { notifyTypes } from '../../domain/webhook/events.ts';
import type { WebhookAttempt, WebhookAttempts } from '../../infra/webhook-attempts/port.ts';
import type { Status } from '../../projections/executions/projection.ts';
import type { Execution } from '../../projections/executions/queries.ts';
import type { Filter } from '../../projections/listing.ts';
import type {
  Delivery,
  deliveriesOfPolicy,
  findDelivery,
} from '../../projections/webhook-deliveries/queries.ts';
import type { WebhookPolicy } from '../../projections/webhooks/queries.ts';
import type { Access } from './access.ts';
import { lists, says, time } from './answer-forms.ts';
import { executionAnswer, shownExecution, shownTask, taskAnswer } from './execution-form.ts';
import { notFound } from './faults.ts';
import { operation } from './operation.ts';
import { id, required, text } from './parameter-forms.ts';
import { parameters } from './parameters.ts';
import type { Query } from './ports.ts';
import { formOf, payloadOf } from './webhook-delivery-form.ts';
import { type WebhookPorts, webhookPolicyFor, webhookPolicyPath } from './webhooks.ts';

export interface WebhookExecutionPorts extends Pick<WebhookPorts, 'findPolicy'> {
  readonly deliveriesOfPolicy: Query<typeof deliveriesOfPolicy>;
  readonly findDelivery: Query<typeof findDelivery>;
  readonly attempts: Pick<WebhookAttempts, 'read'>;
}

const tag = 'webhook';
/** More than there are. */
const maxStatuses = 10;
const executionsPath = `${webhookPolicyPath}/executions` as const;
const tasksPath = `${executionsPath}/:execution_id/tasks` as const;

/** Harbor's words. */
const kindOf: Readonly<Record<(typeof notifyTypes)[number], JobKind>> = { http: 'WEBHOOK', slack: 'SLACK' };
const statuses: Readonly<Record<Delivery['state'], Status>> = {
  pending: 'Pending',
  delivered: 'Success',
  dead: 'Error',
  skipped: 'Stopped',
};
const statusOf = ({ state, tried }: Delivery): Status =>
  state === 'pending' && tried > 0 ? 'Running' : statuses[state];

const none = { pending: 0, scheduled: 0, running: 0, success: 0, error: 0, stopped: 0 };

/** A delivery as an execution of one task, which has the same number. */
function executionOf(delivery: Delivery, policy: WebhookPolicy): Execution {
  const status = statusOf(delivery);
  return {
    executionId: delivery.deliveryId,
    kind: kindOf[formOf(policy, delivery.target).type],
    vendorId: delivery.policyId,
    trigger: 'EVENT',
    parameters: {},
    status,
    tasks: { ...none, [status.toLowerCase()]: 1 },
    stopRequested: false,
    startedAt: delivery.requestedAt,
    updatedAt: delivery.updatedAt,
    endedAt: delivery.state === 'pending' ? undefined : delivery.updatedAt,
  };
}

const toldOf = (delivery: Delivery, policy: WebhookPolicy) => ({
  event_type: delivery.eventType,
  payload: payloadOf(delivery, policy),
});

/** Each is read with its answer, which can have 64 KiB. */
const loggedAttempts = 100;

/** What a delivery has come to, a line for each attempt. */
const logOf = (attempts: readonly WebhookAttempt[]): string =>
  attempts
    .toReversed()
    .map(({ attempt, at, request, response, error, durationMs }) => {
      const outcome =
        response === undefined ? `${error?.kind}: ${error?.message}` : `status ${response.status}`;
      const isDelivered = response !== undefined && response.status >= 200 && response.status < 300;
      return `${at.toISOString()} [${isDelivered ? 'INFO' : 'ERROR'}] attempt ${attempt}: POST to ${request.origin}: ${outcome} after ${durationMs} ms\n`;
    })
    .join('');

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
  /** @throws RequestRefused 401, 403, and 404 for a delivery of something else */
  async function deliveryFor(request: FastifyRequest, policyId: number, executionId: number) {
    const { policy } = await webhookPolicyFor(
      webhooks,
      access,
      request,
      policyId,
      'notification-policy:read',
    );
    const delivery = await webhooks.findDelivery(executionId);
    if (delivery?.policyId !== policyId)
      throw notFound(`execution ${executionId} not found in policy ${policyId}`);
    return { delivery, policy };
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
      const permission = 'notification-policy:read';
      const { policy } = await webhookPolicyFor(webhooks, access, request, policyId, permission);
      const { rows, total } = await webhooks.deliveriesOfPolicy(policyId, listing);
      const shown = rows.map((row) => shownExecution(executionOf(row, policy), toldOf(row, policy)));
      return { rows: shown, total };
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
      const { delivery } = await deliveryFor(request, policyId, executionId);
      const task = shownTask({
        ...{
          taskId: executionId,
          executionId,
          jobId: delivery.sourceId,
          kind: 'WEBHOOK',
          vendorId: policyId,
        },
        ...{ key: '', parameters: {}, status: statusOf(delivery), attempts: delivery.attempts },
        ...{ stopRequested: false, message: delivery.error ?? '', result: undefined },
        createdAt: delivery.requestedAt,
        updatedAt: delivery.updatedAt,
        startedAt: delivery.attemptedAt,
        endedAt: delivery.state === 'pending' ? undefined : delivery.updatedAt,
      });
      return { rows: listing.offset === 0 ? [task] : [], total: 1 };
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
      await deliveryFor(request, policyId, executionId);
      if (taskId !== executionId) throw notFound(`task ${taskId} not found in execution ${executionId}`);
      return logOf(await webhooks.attempts.read(executionId, loggedAttempts));
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
      const permission = 'notification-policy:list';
      const { policy } = await webhookPolicyFor(webhooks, access, request, policyId, permission);
      const statuses = parameters(request, 'status');
      const asked: Filter[] =
        statuses.length === 0 ? [] : [{ key: 'status', kind: 'any', values: statuses.slice(0, maxStatuses) }];
      const page = { ...listing, filters: [...listing.filters, ...asked] };
      const { rows, total } = await webhooks.deliveriesOfPolicy(policyId, page);
      return {
        rows: rows.map((row) => ({
          id: row.deliveryId,
          policy_id: row.policyId,
          event_type: row.eventType,
          notify_type: formOf(policy, row.target).type,
          status: statusOf(row),
          job_detail: payloadOf(row, policy),
          creation_time: row.requestedAt,
          update_time: row.updatedAt,
        })),
        total,
      };
    },
  );
}
