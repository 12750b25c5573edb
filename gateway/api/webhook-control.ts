import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { pauseWebhookPolicy } from '../../commands/pause-webhook-policy.ts';
import type { tryWebhookPolicy } from '../../commands/try-webhook-policy.ts';
import type { Permission } from '../../domain/access/permission.ts';
import type { healthOf } from '../../projections/webhook-deliveries/health.ts';
import type { WebhookPolicy } from '../../projections/webhooks/queries.ts';
import type { Access, Asker, InProject } from './access.ts';
import { nothing, shows, withStatus } from './answer-forms.ts';
import { badRequest, notFound, preconditionFailed } from './faults.ts';
import { operation } from './operation.ts';
import type { Command, Query } from './ports.ts';
import { healthAnswer, shownHealth } from './webhook-delivery-form.ts';
import type { WebhookPorts } from './webhooks.ts';

export interface WebhookControlPorts extends Pick<WebhookPorts, 'findPolicy'> {
  readonly healthOf: Query<typeof healthOf>;
  readonly pausePolicy: Command<typeof pauseWebhookPolicy>;
  readonly tryPolicy: Command<typeof tryWebhookPolicy>;
  now(): Date;
  /** Resolves when deliveries are shown as they were at the position, and those who deliver have been told. */
  deliveriesReached(position: bigint): Promise<void>;
}

const tag = 'webhook';
const maxReason = 500;

const pauseForm = z.object({
  target: z.int().nonnegative().nullish().describe('Which target, from 0; all where it is left out'),
  reason: z.string().nullish().describe('Why, for who looks'),
});

const resumeForm = z.object({
  from: z
    .string()
    .regex(/^\d{1,18}$/, 'a position of the log')
    .nullish()
    .describe('What happened before this position is not told any more'),
});

const triedAnswer = z
  .object({ ids: z.array(z.int()).describe('The deliveries, one for each target') })
  .meta({ id: 'WebhookTest' });

/** Where the policies of a project are, and those that are for every project. */
const scopes = [
  { path: '/projects/:project_name_or_id/webhook/policies/:webhook_policy_id', of: 'Project' },
  { path: '/webhook/policies/:webhook_policy_id', of: 'Registry' },
] as const;

const named = (deed: string, of: (typeof scopes)[number]['of']): string =>
  of === 'Project' ? `${deed}WebhookPolicyOfProject` : `${deed}RegistryWebhookPolicy`;

/** What can be done to the deliveries of a policy; ours, beyond Harbor. */
export function webhookControlRoutes(
  api: FastifyInstance,
  webhooks: WebhookControlPorts,
  access: Access,
): void {
  interface Found {
    readonly asker: Asker;
    readonly policy: WebhookPolicy;
    readonly project?: InProject['project'];
  }

  /** @throws RequestRefused 401, 403, 404 */
  async function policyFor(
    request: FastifyRequest,
    policyId: number,
    of: (typeof scopes)[number]['of'],
    permission: Permission,
  ): Promise<Found> {
    const asker =
      of === 'Project'
        ? await access.inProject(request, permission)
        : await access.inSystem(request, permission);
    const project = 'project' in asker ? (asker as InProject).project : undefined;
    const policy = await webhooks.findPolicy(project?.projectId ?? null, policyId);
    if (policy === undefined) throw notFound(`webhook policy ${policyId} not found`);
    return { asker, policy, ...(project !== undefined && { project }) };
  }

  for (const { path, of } of scopes) {
    operation(
      api,
      {
        id: named('pause', of),
        tag,
        method: 'POST',
        path: `${path}/pause`,
        summary: 'Delivers nothing of a policy, or to one of its targets, until it is resumed.',
        body: pauseForm,
        bodyIsOptional: true,
        answer: nothing,
      },
      async ({ request, path: { webhook_policy_id: policyId }, body }) => {
        const { asker, policy } = await policyFor(request, policyId, of, 'notification-policy:update');
        const { target, reason } = await body();
        if (target != null && target >= policy.targets.length)
          throw badRequest(`the policy has ${policy.targets.length} targets`);
        const why = reason ?? '';
        if (why.length > maxReason || why.includes('\0') || !why.isWellFormed())
          throw badRequest(`a reason has at most ${maxReason} characters`);
        const command = { do: 'pause', target: target ?? null, reason: why } as const;
        await webhooks.deliveriesReached(await webhooks.pausePolicy(policy, command, asker.metadata));
      },
    );

    operation(
      api,
      {
        id: named('resume', of),
        tag,
        method: 'POST',
        path: `${path}/resume`,
        summary: 'Delivers what has piled up, in order; from a position on where one is given.',
        body: resumeForm,
        bodyIsOptional: true,
        answer: nothing,
      },
      async ({ request, path: { webhook_policy_id: policyId }, body }) => {
        const { asker, policy } = await policyFor(request, policyId, of, 'notification-policy:update');
        const { from } = await body();
        const command = { do: 'resume', from: from == null ? null : BigInt(from) } as const;
        await webhooks.deliveriesReached(await webhooks.pausePolicy(policy, command, asker.metadata));
      },
    );

    operation(
      api,
      {
        id: named('test', of),
        tag,
        method: 'POST',
        path: `${path}/test`,
        summary: 'Tells each target of a policy that it is tried, behind what waits for it.',
        answer: withStatus(202, shows(triedAnswer), 'It is going to be delivered'),
      },
      async ({ request, path: { webhook_policy_id: policyId } }) => {
        const { asker, policy, project } = await policyFor(
          request,
          policyId,
          of,
          'notification-policy:update',
        );
        if (!policy.isEnabled) throw preconditionFailed('the webhook policy is disabled');
        const { deliveryIds, position } = await webhooks.tryPolicy(
          {
            ...{ policyId, name: policy.name, targets: policy.targets.length },
            operator: asker.metadata.actor.replace(/^[a-z-]+:/, ''),
            ...(project !== undefined && { project }),
          },
          asker.metadata,
        );
        await webhooks.deliveriesReached(position);
        return { ids: deliveryIds };
      },
    );

    operation(
      api,
      {
        id: of === 'Project' ? 'getWebhookPolicyHealthOfProject' : 'getRegistryWebhookPolicyHealth',
        tag,
        method: 'GET',
        path: `${path}/health`,
        summary: 'How each target of a policy does: what waits, what is paused, and how deliveries went.',
        answer: shows(z.array(healthAnswer)),
      },
      async ({ request, path: { webhook_policy_id: policyId } }) => {
        const { policy } = await policyFor(request, policyId, of, 'notification-policy:read');
        return (await webhooks.healthOf(policyId, policy.targets.length, webhooks.now())).map(shownHealth);
      },
    );
  }
}
