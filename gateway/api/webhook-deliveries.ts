import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Permission } from '../../domain/access/permission.ts';
import { toldTypes } from '../../domain/webhook-delivery/events.ts';
import type { WebhookAttempts } from '../../infra/webhook-attempts/port.ts';
import type {
  findDelivery,
  listDeliveries,
  listDeliveriesById,
} from '../../projections/webhook-deliveries/queries.ts';
import { deliveryStates } from '../../projections/webhook-deliveries/tables.ts';
import type { findWebhookPolicyById } from '../../projections/webhooks/queries.ts';
import type { Access, Asker } from './access.ts';
import { listsAfter, shows } from './answer-forms.ts';
import { notFound } from './faults.ts';
import { operation } from './operation.ts';
import { id, instant, limit, limitOr } from './parameter-forms.ts';
import type { Query } from './ports.ts';
import {
  deliveryAnswer,
  deliveryWithAttemptsAnswer,
  payloadOf,
  shownAttempt,
  shownDelivery,
} from './webhook-delivery-form.ts';

export interface WebhookDeliveryPorts {
  readonly findPolicyById: Query<typeof findWebhookPolicyById>;
  readonly listDeliveries: Query<typeof listDeliveries>;
  readonly listDeliveriesById: Query<typeof listDeliveriesById>;
  readonly findDelivery: Query<typeof findDelivery>;
  readonly attempts: Pick<WebhookAttempts, 'read'>;
}

const tag = 'webhook';
/** No more are shown of a delivery. */
const shownAttempts = 100;

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values, description?: string) =>
  z.enum(values, { error: `should be one of ${values.join(', ')}` }).meta({
    parameter: { type: 'string', enum: [...values], ...(description !== undefined && { description }) },
  });

/** Which deliveries somebody asks for, and may ask for. */
export interface DeliveryScope {
  readonly policyId: number | undefined;
  readonly projectId: number | undefined;
}

/**
 * Requires that who asks may do this where the policy or the project is, and in the system where neither is named or the policy
 * is for every project. Resolves to whose deliveries are meant. @throws RequestRefused 401, 403, 404
 */
export async function deliveryScope(
  { findPolicyById }: Pick<WebhookDeliveryPorts, 'findPolicyById'>,
  access: Access,
  asker: Asker,
  { policyId, projectId }: DeliveryScope,
  permission: Permission,
): Promise<DeliveryScope> {
  const policy = policyId === undefined ? undefined : await findPolicyById(policyId);
  // Of a policy that is gone, the deliveries are those of its project.
  const of = policy?.projectId ?? (policy === undefined ? projectId : undefined);
  await access.inProjectOrSystem(asker, of, permission);
  return { policyId, projectId: of ?? projectId };
}

/** What webhooks have told and are to tell, and how that went; ours, beyond Harbor. */
export function webhookDeliveryRoutes(
  api: FastifyInstance,
  webhooks: WebhookDeliveryPorts,
  access: Access,
): void {
  operation(
    api,
    {
      id: 'listWebhookDeliveries',
      tag,
      method: 'GET',
      path: '/webhook/deliveries',
      summary:
        'What is told to the targets of webhooks, the latest first: of a policy, of a project, or of the whole registry.',
      query: {
        policy_id: id,
        project_id: id,
        state: oneOf(deliveryStates),
        event_type: oneOf(toldTypes),
        from: instant,
        to: instant,
        after: id,
        limit,
      },
      answer: listsAfter(deliveryAnswer),
    },
    async ({ request, query }) => {
      const asker = await access.known(request);
      const asked = { policyId: query.policy_id, projectId: query.project_id };
      const scope = await deliveryScope(webhooks, access, asker, asked, 'notification-policy:list');
      const filter = {
        ...scope,
        states: query.state && [query.state],
        eventType: query.event_type,
        from: query.from,
        to: query.to,
      };
      const size = limitOr(query.limit);
      const found = await webhooks.listDeliveries(filter, query.after, size + 1);
      const rows = found.slice(0, size);
      const next = found.length > size ? String(rows.at(-1)?.deliveryId) : undefined;
      return { rows: rows.map(shownDelivery), total: undefined, next };
    },
  );

  operation(
    api,
    {
      id: 'getWebhookDelivery',
      tag,
      method: 'GET',
      path: '/webhook/deliveries/:delivery_id',
      summary: 'A delivery with what was sent and what came back.',
      answer: shows(deliveryWithAttemptsAnswer),
    },
    async ({ request, path: { delivery_id } }) => {
      const delivery = await deliveryFor(request, delivery_id);
      const [policy, log] = await Promise.all([
        webhooks.findPolicyById(delivery.policyId),
        webhooks.attempts.read(delivery_id, shownAttempts),
      ]);
      return {
        ...shownDelivery(delivery),
        payload: payloadOf(delivery, policy),
        log: log.map(shownAttempt(delivery)),
      };
    },
  );

  async function deliveryFor(request: FastifyRequest, deliveryId: number) {
    const asker = await access.known(request);
    const delivery = await webhooks.findDelivery(deliveryId);
    // To who may not see all, one that is not there is like one of others.
    await access.inProjectOrSystem(asker, delivery?.projectId, 'notification-policy:read');
    if (delivery === undefined) throw notFound(`webhook delivery ${deliveryId} not found`);
    return delivery;
  }
}
