import { createHmac, randomBytes } from 'node:crypto';

/** What a secret begins with, as Standard Webhooks has it. */
const prefix = 'whsec_';
const secretBytes = 32;
/** As many as the specification allows. */
const [minBytes, maxBytes] = [24, 64];

/** A new secret to sign with: `whsec_` and 32 random bytes in base64. */
export const newWebhookSecret = (): string => `${prefix}${randomBytes(secretBytes).toString('base64')}`;

/** Whether it is `whsec_` and from 24 to 64 bytes in base64. */
export function isWebhookSecret(secret: string): boolean {
  if (!secret.startsWith(prefix)) return false;
  const bytes = keyOf(secret);
  if (bytes.length < minBytes || bytes.length > maxBytes) return false;
  return bytes.toString('base64') === secret.slice(prefix.length);
}

/** A secret that is none of Standard Webhooks, which other receivers have, is a key as it is. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith(prefix) ? Buffer.from(secret.slice(prefix.length), 'base64') : Buffer.from(secret);

/** What is told, by whom, and to whom: the same for each time that it is tried. */
export interface Message {
  /** The id of the event in the log. */
  readonly eventId: string;
  readonly policyId: number;
  /** The place of the target among those of the policy, from 0. */
  readonly target: number;
}

/** The id of a message, by which who gets it twice knows that. Without a dot, which separates what is signed. */
export const messageId = ({ eventId, policyId, target }: Message): string =>
  `${eventId}_${policyId}_${target}`;

/**
 * The headers of a request that is signed (Standard Webhooks): `webhook-id`, `webhook-timestamp` and, where there is a
 * secret to sign with, `webhook-signature` with a signature by each.
 * @param secrets those of the policy at the time, the latest first
 */
export function webhookHeaders(
  id: string,
  sentAt: Date,
  body: string,
  secrets: readonly string[],
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(sentAt.getTime() / 1000));
  const signatures = secrets.map(
    (secret) =>
      `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    ...(signatures.length > 0 && { 'webhook-signature': signatures.join(' ') }),
  };
}
