import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { redeliverWebhooks } from '../../commands/redeliver-webhooks.ts';
import type { startExecution } from '../../commands/start-execution.ts';
import { noVendor } from '../../domain/execution/kinds.ts';
import { maxRedelivered, toldTypes } from '../../domain/webhook-delivery/events.ts';
import type { RedeliveryParameters } from '../../domain/webhook-delivery/redelivery-parameters.ts';
import { withoutUndefined } from '../../domain/without-undefined.ts';
import type { TaskProgress } from '../../infra/job-journal/port.ts';
import type { firstTasks } from '../../projections/executions/first-tasks.ts';
import type { execution } from '../../projections/executions/queries.ts';
import {
  type countDeliveries,
  filterOf,
  type lastDeliveryId,
} from '../../projections/webhook-deliveries/queries.ts';
import type { Access, Asker } from './access.ts';
import { shows, time } from './answer-forms.ts';
import { badRequest, notFound } from './faults.ts';
import { operation } from './operation.ts';
import type { Command, Query } from './ports.ts';
import { deliveryScope, type WebhookDeliveryPorts } from './webhook-deliveries.ts';

export interface WebhookRedeliveryPorts
  extends Pick<WebhookDeliveryPorts, 'findPolicyById' | 'listDeliveriesById'> {
  readonly countDeliveries: Query<typeof countDeliveries>;
  readonly lastDeliveryId: Query<typeof lastDeliveryId>;
  readonly redeliver: Command<typeof redeliverWebhooks>;
  readonly startExecution: Command<typeof startExecution>;
  readonly execution: Query<typeof execution>;
  readonly firstTasks: Query<typeof firstTasks>;
  progressOf(taskIds: readonly number[]): Promise<ReadonlyMap<number, TaskProgress>>;
  /** A new UUID. */
  newRun(): string;
  /** Resolves when deliveries are shown as they were at the position, and those who deliver have been told. */
  deliveriesReached(position: bigint): Promise<void>;
  /** Resolves when executions are shown as they were at the position. */
  executionsReached(position: bigint): Promise<void>;
}

const tag = 'webhook';
const kind = 'WEBHOOK_REDELIVERY';
/** No more are counted. */
const mostCounted = 100_000;
const maxProjects = 20;

/** No id is beyond what the database can compare with. */
const id = z
  .int()
  .positive()
  .max(2 ** 31 - 1);
const position = z.string().regex(/^\d{1,18}$/, 'a position of the log');
const instant = z.iso.datetime({ offset: true });

const redeliveryForm = z.object({
  ids: z.array(id).min(1).max(maxRedelivered).nullish().describe('These deliveries, and no others'),
  policy_id: id.nullish(),
  project_id: id.nullish(),
  states: z
    .array(z.enum(['delivered', 'dead', 'skipped']))
    .min(1)
    .nullish()
    .describe('Those that are `dead` or `delivered`, where it is left out'),
  event_type: z.enum(toldTypes).nullish(),
  from: instant.nullish().describe('Asked for at this time or later'),
  to: instant.nullish().describe('Asked for before'),
  from_position: position.nullish().describe('Of what happened at this position or later'),
  to_position: position.nullish().describe('Of what happened before'),
  dead_since: instant.nullish().describe('Those that are dead since this time or later'),
  dry_run: z.boolean().nullish().describe('Whether they are only counted'),
});
type Sent = z.output<typeof redeliveryForm>;

const redeliveryAnswer = z
  .object({
    count: z.int().describe(`How many they are, up to ${mostCounted}`),
    dry_run: z.boolean(),
    execution_id: z.int().nullable().describe('Of the job that asks for them; null where it is done'),
  })
  .meta({ id: 'WebhookRedelivery' });

const progressAnswer = z
  .object({
    id: z.int(),
    job_id: z.string(),
    status: z.string(),
    done: z.int(),
    total: z.int(),
    creation_time: time,
    update_time: time,
  })
  .meta({ id: 'WebhookRedeliveryProgress' });

/** Deliveries once more, under their old ids and in their old order; ours, beyond Harbor. */
export function webhookRedeliveryRoutes(
  api: FastifyInstance,
  webhooks: WebhookRedeliveryPorts,
  access: Access,
): void {
  operation(
    api,
    {
      id: 'redeliverWebhooks',
      tag,
      method: 'POST',
      path: '/webhook/deliveries/redeliver',
      summary:
        'Delivers once more what is over: some deliveries, those of a range of time or of positions, or all that are dead since.',
      body: redeliveryForm,
      answer: shows(redeliveryAnswer),
    },
    async ({ request, body }) => {
      const asker = await access.known(request);
      const sent = await body();
      return sent.ids ? redeliverSome(asker, sent.ids, sent.dry_run === true) : redeliverRange(asker, sent);
    },
  );

  async function redeliverSome(asker: Asker, ids: readonly number[], isDry: boolean) {
    const found = await webhooks.listDeliveriesById([...new Set(ids)]);
    const projects = new Set(found.map(({ projectId }) => projectId));
    if (projects.size > maxProjects)
      throw badRequest(`the deliveries are those of ${maxProjects} projects at most`);
    // To who may not see all, those that are not there are like those of others.
    if (found.length < new Set(ids).size) projects.add(undefined);
    for (const projectId of projects)
      await access.inProjectOrSystem(asker, projectId, 'notification-policy:update');
    const known = new Set(found.map(({ deliveryId }) => deliveryId));
    const missing = ids.find((each) => !known.has(each));
    if (missing !== undefined) throw notFound(`webhook delivery ${missing} not found`);
    const over = found.filter(({ state }) => state !== 'pending').map(({ deliveryId }) => deliveryId);
    if (!isDry && over.length > 0)
      await webhooks.deliveriesReached(await webhooks.redeliver(webhooks.newRun(), over, asker.metadata));
    return { count: over.length, dry_run: isDry, execution_id: null };
  }

  async function redeliverRange(asker: Asker, sent: Sent) {
    const asked = { policyId: sent.policy_id ?? undefined, projectId: sent.project_id ?? undefined };
    const scope = await deliveryScope(webhooks, access, asker, asked, 'notification-policy:update');
    const isBounded = [sent.from, sent.from_position, sent.dead_since].some((bound) => bound != null);
    if (!isBounded)
      throw badRequest('ids, from, from_position or dead_since says what is delivered once more');
    const states = sent.states ?? (sent.dead_since ? (['dead'] as const) : (['dead', 'delivered'] as const));
    const ofTime = (text: string | null | undefined) =>
      text == null ? undefined : new Date(text).toISOString();
    const filter = withoutUndefined({
      policy_id: scope.policyId,
      project_id: scope.projectId,
      states: [...states],
      event_type: sent.event_type ?? undefined,
      from: ofTime(sent.from),
      to: ofTime(sent.to),
      from_position: sent.from_position ?? undefined,
      to_position: sent.to_position ?? undefined,
      dead_since: ofTime(sent.dead_since),
    });
    const count = await webhooks.countDeliveries(filterOf(filter), mostCounted);
    if (sent.dry_run === true || count === 0)
      return { count, dry_run: sent.dry_run === true, execution_id: null };
    const parameters = {
      ...filter,
      last_id: await webhooks.lastDeliveryId(),
      count,
    } satisfies Partial<RedeliveryParameters>;
    const { executionId, position: started } = await webhooks.startExecution(
      {
        ...{ kind, vendorId: scope.policyId ?? noVendor, trigger: 'MANUAL', parameters },
        tasks: [{ parameters }],
      },
      asker.metadata,
    );
    await webhooks.executionsReached(started);
    return { count, dry_run: false, execution_id: executionId };
  }

  operation(
    api,
    {
      id: 'getWebhookRedelivery',
      tag,
      method: 'GET',
      path: '/webhook/redeliveries/:execution_id',
      summary: 'How far a job is that asks for deliveries once more.',
      answer: shows(progressAnswer),
    },
    async ({ request, path: { execution_id: executionId } }) => {
      const asker = await access.known(request);
      const found = await webhooks.execution(executionId);
      const isOurs = found?.kind === kind;
      const { project_id: projectId, count } = (
        isOurs ? found.parameters : {}
      ) as Partial<RedeliveryParameters>;
      await access.inProjectOrSystem(asker, projectId, 'notification-policy:read');
      const task = (await webhooks.firstTasks([executionId])).get(executionId);
      if (!isOurs || task === undefined) throw notFound(`redelivery ${executionId} not found`);
      const progress = (await webhooks.progressOf([task.taskId])).get(task.taskId);
      const { redelivered } = (task.result ?? {}) as { readonly redelivered?: number };
      return {
        id: executionId,
        job_id: task.jobId,
        status: found.status,
        done: redelivered ?? progress?.done ?? 0,
        total: count ?? 0,
        creation_time: found.startedAt,
        update_time: found.updatedAt,
      };
    },
  );
}
