import type { Metadata } from '../domain/event.ts';
import { webhookDecider } from '../domain/webhook/decider.ts';
import { webhooksStream } from '../domain/webhook/events.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import { ofProject, type WebhookForm, type WebhookProject } from './create-webhook-policy.ts';
import { decision, type Recorder } from './record.ts';
import { sealTarget } from './webhook-targets.ts';

export interface WebhookPolicyKey {
  readonly policyId: number;
  /** Null for a policy that is for every project. */
  readonly project: WebhookProject | null;
}

/** Resolves to the log's position. @throws Refusal `webhook-policy-exists`, `webhook-policy-unknown` */
export const changeWebhookPolicy =
  ({ record, secrets }: { readonly record: Recorder; readonly secrets: Pick<SecretBox, 'seal'> }) =>
  async (
    { policyId, project, form }: WebhookPolicyKey & { readonly form: WebhookForm },
    metadata: Metadata,
  ): Promise<bigint> => {
    const which = ofProject(project, policyId);
    const targets = form.targets.map((target) => sealTarget(secrets, policyId, target));
    const changed = decision(webhooksStream(which.projectId), webhookDecider(which), {
      do: 'change',
      settings: { ...form, targets },
    });
    return (await record(metadata, changed)).position;
  };
