import type { Metadata } from '../domain/event.ts';
import { type Signing, webhookDecider } from '../domain/webhook/decider.ts';
import { webhookSecretContext, webhooksStream } from '../domain/webhook/events.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { WebhookPolicyKey } from './change-webhook-policy.ts';
import { ofProject } from './create-webhook-policy.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangeWebhookSecret extends WebhookPolicyKey {
  /** As who checks signatures has it: `whsec_` and base64. */
  readonly secret: string;
}

/** The secret from before signs as well for a day. Resolves to the log's position. @throws Refusal `webhook-policy-unknown` */
export const changeWebhookSecret =
  ({ record, secrets }: { readonly record: Recorder; readonly secrets: Pick<SecretBox, 'seal'> }) =>
  async ({ policyId, project, secret }: ChangeWebhookSecret, metadata: Metadata): Promise<bigint> => {
    const which = ofProject(project, policyId);
    const sealed = secrets.seal(secret, webhookSecretContext(policyId));
    const changed = decision(webhooksStream(which.projectId), webhookDecider(which), {
      ...{ do: 'change-secret', sealed, now: new Date() },
    });
    return (await record(metadata, changed)).position;
  };

/**
 * What a policy signs with at the time, the latest first; none where it does not sign.
 * @throws SealBroken
 */
export const openSigning = (
  secrets: Pick<SecretBox, 'open'>,
  policyId: number,
  signing: Signing | null,
  now: Date,
): readonly string[] =>
  signing === null
    ? []
    : [signing, ...signing.previous.filter(({ until }) => Date.parse(until) > now.getTime())].map(
        ({ sealed }) => secrets.open(sealed, webhookSecretContext(policyId)),
      );
