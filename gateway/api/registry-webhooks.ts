import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Permission } from '../../domain/access/permission.ts';
import type { Access, Asker } from './access.ts';
import { creates, lists, nothing, shows } from './answer-forms.ts';
import { operation } from './operation.ts';
import { readWebhook, readWebhookChange, webhookAnswer, webhookForm } from './webhook-form.ts';
import { policyOf, requireAskable, shownBy, type WebhookPorts } from './webhooks.ts';

const tag = 'webhook';
const policies = '/webhook/policies' as const;
export const registryPolicyPath = `${policies}/:webhook_policy_id` as const;

/** What Harbor does not have: policies that tell what happens in every project, for system administrators. */
export function registryWebhookRoutes(api: FastifyInstance, webhooks: WebhookPorts, access: Access): void {
  const shown = shownBy(webhooks);
  const asked = (request: FastifyRequest, permission: Permission): Promise<Asker> =>
    access.inSystem(request, permission);

  operation(
    api,
    {
      id: 'listRegistryWebhookPolicies',
      tag,
      method: 'GET',
      path: policies,
      summary: 'The policies by which what happens in every project is told to others, the newest first.',
      answer: lists(webhookAnswer),
    },
    async ({ request, listing }) => {
      await asked(request, 'notification-policy:list');
      const { rows, total } = await webhooks.listPolicies(null, listing);
      return { rows: rows.map(shown), total };
    },
  );

  operation(
    api,
    {
      id: 'createRegistryWebhookPolicy',
      tag,
      method: 'POST',
      path: policies,
      summary: 'Creates a policy for every project.',
      body: webhookForm,
      answer: creates,
    },
    async ({ request, body }) => {
      const { metadata } = await asked(request, 'notification-policy:create');
      const form = requireAskable(webhooks, readWebhook(await body()));
      const created = await webhooks.createPolicy({ project: null, form }, metadata);
      await webhooks.reached(created.position);
      return { id: created.policyId };
    },
  );

  operation(
    api,
    {
      id: 'getRegistryWebhookPolicy',
      tag,
      method: 'GET',
      path: registryPolicyPath,
      summary: 'A policy for every project, with the secrets of its targets.',
      answer: shows(webhookAnswer),
    },
    async ({ request, path }) => {
      await asked(request, 'notification-policy:read');
      return shown(await policyOf(webhooks, null, path.webhook_policy_id));
    },
  );

  operation(
    api,
    {
      id: 'updateRegistryWebhookPolicy',
      tag,
      method: 'PUT',
      path: registryPolicyPath,
      summary: 'Replaces all that a policy for every project says; without a name it keeps its own.',
      body: webhookForm,
      answer: nothing,
    },
    async ({ request, path: { webhook_policy_id: policyId }, body }) => {
      const { metadata } = await asked(request, 'notification-policy:update');
      const form = requireAskable(webhooks, readWebhookChange(await body()));
      await webhooks.reached(await webhooks.changePolicy({ policyId, project: null, form }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'deleteRegistryWebhookPolicy',
      tag,
      method: 'DELETE',
      path: registryPolicyPath,
      summary: 'Deletes a policy for every project.',
      answer: nothing,
    },
    async ({ request, path: { webhook_policy_id: policyId } }) => {
      const { metadata } = await asked(request, 'notification-policy:delete');
      await webhooks.reached(await webhooks.deletePolicy({ policyId, project: null }, metadata));
    },
  );
}
