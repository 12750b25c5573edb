import type { Metadata } from '../domain/event.ts';
import { webhookDecider } from '../domain/webhook/decider.ts';
import { webhooksStream } from '../domain/webhook/events.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { WebhookForm } from './create-webhook-policy.ts';
import { decision, type Recorder } from './record.ts';
import { sealTarget } from './webhook-targets.ts';

export interface WebhookPolicyKey {
  readonly policyId: number;
  readonly project: { readonly name: string; readonly projectId: number };
}

/** Resolves to the log's position. @throws Refusal `webhook-policy-exists`, `webhook-policy-unknown` */
export const changeWebhookPolicy =
  ({ record, secrets }: { readonly record: Recorder; readonly secrets: Pick<SecretBox, 'seal'> }) =>
  async (
    { policyId, project, form }: WebhookPolicyKey & { readonly form: WebhookForm },
    metadata: Metadata,
  ): Promise<bigint> => {
    const { name, projectId } = project;
    const decider = webhookDecider({ policyId, project: name, projectId });
    const targets = form.targets.map((target) => sealTarget(secrets, policyId, target));
    const changed = decision(webhooksStream(projectId), decider, {
      do: 'change',
      settings: { ...form, targets },
    });
    return (await record(metadata, changed)).position;
  };
