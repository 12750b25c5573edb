import { type SealedTarget, webhookTargetContext } from '../domain/webhook/events.ts';
import type { SecretBox } from '../infra/secrets/port.ts';

/** Where a policy tells what happens. */
export interface WebhookTarget extends Omit<SealedTarget, 'sealed'> {
  /** As it was given, which may hold a secret: those of Slack are nothing else. */
  readonly address: string;
  /** What is sent as `Authorization`; empty for nothing. */
  readonly authHeader: string;
}

/** Of one policy: what is sealed for it opens for no other. */
export const sealTarget = (
  secrets: Pick<SecretBox, 'seal'>,
  policyId: number,
  { address, authHeader, ...shown }: WebhookTarget,
): SealedTarget => ({
  ...shown,
  sealed: secrets.seal(JSON.stringify({ address, authHeader }), webhookTargetContext(policyId)),
});

/** @throws SealBroken */
export function openTarget(
  secrets: Pick<SecretBox, 'open'>,
  policyId: number,
  { sealed, ...shown }: SealedTarget,
): WebhookTarget {
  const text = secrets.open(sealed, webhookTargetContext(policyId));
  // Nobody but `sealTarget` can have sealed it.
  return { ...shown, ...(JSON.parse(text) as Pick<WebhookTarget, 'address' | 'authHeader'>) };
}
