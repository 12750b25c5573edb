import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { WebhookPolicyKey } from '../../commands/change-webhook-policy.ts';
import type { changeWebhookSecret } from '../../commands/change-webhook-secret.ts';
import type { removeWebhookSecret } from '../../commands/remove-webhook-secret.ts';
import type { Metadata } from '../../domain/event.ts';
import type { Access } from './access.ts';
import { nothing, shows } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { operation } from './operation.ts';
import type { Command } from './ports.ts';
import { registryPolicyPath } from './registry-webhooks.ts';
import { webhookPolicyPath } from './webhooks.ts';

export interface WebhookSecretPorts {
  /** A new secret, as who checks signatures has it. */
  newWebhookSecret(): string;
  isWebhookSecret(secret: string): boolean;
  readonly changeSecret: Command<typeof changeWebhookSecret>;
  readonly removeSecret: Command<typeof removeWebhookSecret>;
  /** Resolves when policies are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
}

const tag = 'webhook';
const permission = 'notification-policy:update';

const secretForm = z.object({
  secret: z.string().nullish().describe('`whsec_` and from 24 to 64 bytes in base64; without it one is made'),
});
type SecretForm = z.output<typeof secretForm>;

const secretAnswer = z
  .object({ secret: z.string().optional().describe('The one that was made, which is shown this once') })
  .meta({ id: 'WebhookSecret' });

const changes = {
  summary:
    'Has all that the policy tells signed, as Standard Webhooks does, by the given secret or by a new one that is shown this once. The one from before signs too for a day.',
  body: secretForm,
  bodyIsOptional: true,
  answer: shows(secretAnswer),
} as const;
const removes = { summary: 'Has nothing signed any more that the policy tells.', answer: nothing } as const;

/** What Harbor does not have: the secrets by which policies sign what they tell. */
export function webhookSecretRoutes(
  api: FastifyInstance,
  webhooks: WebhookSecretPorts,
  access: Access,
): void {
  async function change(key: WebhookPolicyKey, form: SecretForm, metadata: Metadata) {
    if (form.secret && !webhooks.isWebhookSecret(form.secret))
      throw badRequest('secret: whsec_ and from 24 to 64 bytes in base64');
    const secret = form.secret || webhooks.newWebhookSecret();
    await webhooks.reached(await webhooks.changeSecret({ ...key, secret }, metadata));
    return form.secret ? {} : { secret };
  }
  const remove = async (key: WebhookPolicyKey, metadata: Metadata) =>
    webhooks.reached(await webhooks.removeSecret(key, metadata));

  operation(
    api,
    {
      id: 'changeWebhookSecretOfProject',
      tag,
      method: 'POST',
      path: `${webhookPolicyPath}/secret`,
      ...changes,
    },
    async ({ request, path: { webhook_policy_id: policyId }, body }) => {
      const { project, metadata } = await access.inProject(request, permission);
      return change({ policyId, project }, await body(), metadata);
    },
  );

  operation(
    api,
    {
      id: 'removeWebhookSecretOfProject',
      tag,
      method: 'DELETE',
      path: `${webhookPolicyPath}/secret`,
      ...removes,
    },
    async ({ request, path: { webhook_policy_id: policyId } }) => {
      const { project, metadata } = await access.inProject(request, permission);
      await remove({ policyId, project }, metadata);
    },
  );

  operation(
    api,
    {
      id: 'changeRegistryWebhookSecret',
      tag,
      method: 'POST',
      path: `${registryPolicyPath}/secret`,
      ...changes,
    },
    async ({ request, path: { webhook_policy_id: policyId }, body }) => {
      const { metadata } = await access.inSystem(request, permission);
      return change({ policyId, project: null }, await body(), metadata);
    },
  );

  operation(
    api,
    {
      id: 'removeRegistryWebhookSecret',
      tag,
      method: 'DELETE',
      path: `${registryPolicyPath}/secret`,
      ...removes,
    },
    async ({ request, path: { webhook_policy_id: policyId } }) => {
      const { metadata } = await access.inSystem(request, permission);
      await remove({ policyId, project: null }, metadata);
    },
  );
}
