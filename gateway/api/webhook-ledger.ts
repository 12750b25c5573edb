import type { FastifyInstance } from 'fastify';
import type { Access } from './access.ts';
import { type WebhookControlPorts, webhookControlRoutes } from './webhook-control.ts';
import { type WebhookDeliveryPorts, webhookDeliveryRoutes } from './webhook-deliveries.ts';
import { type WebhookExecutionPorts, webhookExecutionRoutes } from './webhook-executions.ts';
import { type WebhookRedeliveryPorts, webhookRedeliveryRoutes } from './webhook-redelivery.ts';
import type { WebhookPorts } from './webhooks.ts';

type AllPorts = WebhookControlPorts & WebhookDeliveryPorts & WebhookExecutionPorts & WebhookRedeliveryPorts;
/** What the routes on deliveries ask for beyond those on policies. */
export type WebhookLedgerPorts = Omit<AllPorts, 'findPolicy'> & Pick<WebhookPorts, 'lastTriggersOf'>;

/** What webhooks have told, in Harbor's words and in ours. */
export function webhookLedgerRoutes(api: FastifyInstance, webhooks: AllPorts, access: Access): void {
  webhookExecutionRoutes(api, webhooks, access);
  webhookDeliveryRoutes(api, webhooks, access);
  webhookRedeliveryRoutes(api, webhooks, access);
  webhookControlRoutes(api, webhooks, access);
}
