import type { AllocateId } from '../commands/allocate-id.ts';
import { changeWebhookPolicy } from '../commands/change-webhook-policy.ts';
import { changeWebhookSecret } from '../commands/change-webhook-secret.ts';
import { createWebhookPolicy } from '../commands/create-webhook-policy.ts';
import { deleteWebhookPolicy } from '../commands/delete-webhook-policy.ts';
import type { Recorder } from '../commands/record.ts';
import { removeWebhookSecret } from '../commands/remove-webhook-secret.ts';
import { openTarget } from '../commands/webhook-targets.ts';
import type { WebhookSecretPorts } from '../gateway/api/webhook-secrets.ts';
import type { WebhookPorts } from '../gateway/api/webhooks.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { Views } from '../infra/views/port.ts';
import type { WebhookSender } from '../infra/webhook-sender/port.ts';
import { isWebhookSecret, newWebhookSecret } from '../infra/webhook-sender/signature.ts';
import { type WebhooksDatabase, webhooks } from '../projections/webhooks/projection.ts';
import { findWebhookPolicy, listWebhookPolicies } from '../projections/webhooks/queries.ts';
import type { Current } from './api-parts.ts';

/** What the management API asks of webhooks. */
export function webhookParts(
  ports: {
    readonly record: Recorder;
    readonly allocateId: AllocateId;
    readonly secrets: SecretBox;
    readonly sender: Pick<WebhookSender, 'refuses'>;
  },
  { database, views, current }: { database: Pick<Database, 'kysely'>; views: Views; current: Current },
): Omit<WebhookPorts, 'lastTriggersOf'> & WebhookSecretPorts {
  const { kysely } = database;
  const inWebhooks = viewOf<WebhooksDatabase>(kysely, webhooks);
  return {
    findPolicy: current(findWebhookPolicy.bind(undefined, inWebhooks)),
    listPolicies: current(listWebhookPolicies.bind(undefined, inWebhooks)),
    createPolicy: createWebhookPolicy(ports),
    changePolicy: changeWebhookPolicy(ports),
    deletePolicy: deleteWebhookPolicy(ports),
    changeSecret: changeWebhookSecret(ports),
    removeSecret: removeWebhookSecret(ports),
    newWebhookSecret,
    isWebhookSecret,
    refusesAddress: (address) => ports.sender.refuses(address),
    openTarget: (policyId, target) => openTarget(ports.secrets, policyId, target),
    reached: (position) => views.reached(position, [webhooks]),
  };
}
