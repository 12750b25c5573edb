import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { changeWebhookPolicy } from '../../commands/change-webhook-policy.ts';
import type { createWebhookPolicy, WebhookForm } from '../../commands/create-webhook-policy.ts';
import type { deleteWebhookPolicy } from '../../commands/delete-webhook-policy.ts';
import type { WebhookTarget } from '../../commands/webhook-targets.ts';
import type { Permission } from '../../domain/access/permission.ts';
import type { SealedTarget } from '../../domain/webhook/events.ts';
import type {
  findWebhookPolicy,
  lastTriggersOf,
  listWebhookPolicies,
  WebhookPolicy,
} from '../../projections/webhooks/queries.ts';
import type { Access, InProject } from './access.ts';
import { creates, lists, nothing, shows } from './answer-forms.ts';
import { badRequest, notFound } from './faults.ts';
import { operation } from './operation.ts';
import type { Command, Query } from './ports.ts';
import {
  lastTriggerAnswer,
  readWebhook,
  readWebhookChange,
  shownTrigger,
  shownWebhook,
  supported,
  supportedAnswer,
  webhookAnswer,
  webhookForm,
} from './webhook-form.ts';

export interface WebhookPorts {
  readonly findPolicy: Query<typeof findWebhookPolicy>;
  readonly listPolicies: Query<typeof listWebhookPolicies>;
  /** When each policy of the project last told of each type. */
  lastTriggersOf(projectId: number): ReturnType<typeof lastTriggersOf>;
  readonly createPolicy: Command<typeof createWebhookPolicy>;
  readonly changePolicy: Command<typeof changeWebhookPolicy>;
  readonly deletePolicy: Command<typeof deleteWebhookPolicy>;
  /** Whether the address of a target names what must not be asked, as far as that can be told now. */
  refusesAddress(address: string): boolean;
  /** With what the target keeps secret. */
  openTarget(policyId: number, target: SealedTarget): WebhookTarget;
  /** Resolves when policies are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
}

const tag = 'webhook';
const webhook = '/projects/:project_name_or_id/webhook' as const;
const policies = `${webhook}/policies` as const;
export const webhookPolicyPath = `${policies}/:webhook_policy_id` as const;

/** @param projectId null for a policy that is for every project. @throws RequestRefused 404 */
export async function policyOf(
  { findPolicy }: Pick<WebhookPorts, 'findPolicy'>,
  projectId: number | null,
  policyId: number,
): Promise<WebhookPolicy> {
  const policy = await findPolicy(projectId, policyId);
  if (policy === undefined) throw notFound(`webhook policy ${policyId} not found`);
  return policy;
}

/** What is refused when something is sent is refused here, as far as that is known. @throws RequestRefused 400 */
export function requireAskable(
  { refusesAddress }: Pick<WebhookPorts, 'refusesAddress'>,
  form: WebhookForm,
): WebhookForm {
  for (const [place, { address }] of form.targets.entries())
    if (refusesAddress(address))
      throw badRequest(`targets[${place}].address: the registry may not send webhooks to this address`);
  return form;
}

/** How a policy is shown, with what its targets keep secret. */
export const shownBy =
  ({ openTarget }: Pick<WebhookPorts, 'openTarget'>) =>
  (policy: WebhookPolicy) =>
    shownWebhook(
      policy,
      policy.targets.map((target) => openTarget(policy.policyId, target)),
    );

/** The policy of the path, for who may do this in its project. @throws RequestRefused 401, 403, 404 */
export async function webhookPolicyFor(
  ports: Pick<WebhookPorts, 'findPolicy'>,
  access: Access,
  request: FastifyRequest,
  policyId: number,
  permission: Permission,
): Promise<InProject & { readonly policy: WebhookPolicy }> {
  const asker = await access.inProject(request, permission);
  return { ...asker, policy: await policyOf(ports, asker.project.projectId, policyId) };
}

/** Harbor's `webhook` operations on policies. */
export function webhookRoutes(api: FastifyInstance, webhooks: WebhookPorts, access: Access): void {
  const shown = shownBy(webhooks);

  operation(
    api,
    {
      id: 'ListWebhookPoliciesOfProject',
      tag,
      method: 'GET',
      path: policies,
      summary: 'The policies by which what happens in a project is told to others, the newest first.',
      answer: lists(webhookAnswer),
    },
    async ({ request, listing }) => {
      const { project } = await access.inProject(request, 'notification-policy:list');
      const { rows, total } = await webhooks.listPolicies(project.projectId, listing);
      return { rows: rows.map(shown), total };
    },
  );

  operation(
    api,
    {
      id: 'CreateWebhookPolicyOfProject',
      tag,
      method: 'POST',
      path: policies,
      summary: 'Creates a policy.',
      body: webhookForm,
      answer: creates,
    },
    async ({ request, body }) => {
      const { project, metadata } = await access.inProject(request, 'notification-policy:create');
      const form = requireAskable(webhooks, readWebhook(await body()));
      const created = await webhooks.createPolicy({ project, form }, metadata);
      await webhooks.reached(created.position);
      return { id: created.policyId };
    },
  );

  operation(
    api,
    {
      id: 'GetWebhookPolicyOfProject',
      tag,
      method: 'GET',
      path: webhookPolicyPath,
      summary: 'A policy, with the secrets of its targets.',
      answer: shows(webhookAnswer),
    },
    async ({ request, path: { webhook_policy_id } }) => {
      const permission = 'notification-policy:read';
      return shown((await webhookPolicyFor(webhooks, access, request, webhook_policy_id, permission)).policy);
    },
  );

  operation(
    api,
    {
      id: 'UpdateWebhookPolicyOfProject',
      tag,
      method: 'PUT',
      path: webhookPolicyPath,
      summary: 'Replaces all that a policy says; without a name it keeps its own.',
      body: webhookForm,
      answer: nothing,
    },
    async ({ request, path: { webhook_policy_id: policyId }, body }) => {
      const { project, metadata } = await access.inProject(request, 'notification-policy:update');
      const form = requireAskable(webhooks, readWebhookChange(await body()));
      await webhooks.reached(await webhooks.changePolicy({ policyId, project, form }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'DeleteWebhookPolicyOfProject',
      tag,
      method: 'DELETE',
      path: webhookPolicyPath,
      summary: 'Deletes a policy.',
      answer: nothing,
    },
    async ({ request, path: { webhook_policy_id: policyId } }) => {
      const { project, metadata } = await access.inProject(request, 'notification-policy:delete');
      await webhooks.reached(await webhooks.deletePolicy({ policyId, project }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'LastTrigger',
      tag,
      method: 'GET',
      path: `${webhook}/lasttrigger`,
      summary: 'When each policy last told of each type of event.',
      answer: shows(z.array(lastTriggerAnswer)),
    },
    async ({ request }) => {
      const { project } = await access.inProject(request, 'notification-policy:read');
      return (await webhooks.lastTriggersOf(project.projectId)).map(shownTrigger);
    },
  );

  operation(
    api,
    {
      id: 'GetSupportedEventTypes',
      tag,
      method: 'GET',
      path: `${webhook}/events`,
      summary: 'What can be told, and how.',
      answer: shows(supportedAnswer),
    },
    async ({ request }) => {
      await access.inProject(request, 'notification-policy:read');
      return supported;
    },
  );
}
