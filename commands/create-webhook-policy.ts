import type { Metadata } from '../domain/event.ts';
import { requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { type WebhookSettings, webhookDecider } from '../domain/webhook/decider.ts';
import { webhooksStream } from '../domain/webhook/events.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';
import { sealTarget, type WebhookTarget } from './webhook-targets.ts';

export interface WebhookForm extends Omit<WebhookSettings, 'targets'> {
  readonly targets: readonly WebhookTarget[];
}

export interface CreateWebhookPolicy {
  readonly project: { readonly name: string; readonly projectId: number };
  readonly form: WebhookForm;
}

/** @throws Refusal `webhook-policy-exists`, `too-many-webhook-policies`, `project-unknown` */
export const createWebhookPolicy =
  ({
    record,
    allocateId,
    secrets,
  }: {
    readonly record: Recorder;
    readonly allocateId: AllocateId;
    readonly secrets: Pick<SecretBox, 'seal'>;
  }) =>
  async (
    { project, form }: CreateWebhookPolicy,
    metadata: Metadata,
  ): Promise<{ readonly policyId: number; readonly position: bigint }> => {
    const { name, projectId } = project;
    const policyId = await allocateId('webhook', metadata);
    const decider = webhookDecider({ policyId, project: name, projectId });
    const targets = form.targets.map((target) => sealTarget(secrets, policyId, target));
    const { position } = await record(
      metadata,
      decision(projectStream(name), requiringProject, project),
      decision(webhooksStream(projectId), decider, { do: 'create', settings: { ...form, targets } }),
    );
    return { policyId, position };
  };
