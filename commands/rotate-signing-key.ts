import { catalogue } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { tokenKeyDecider } from '../domain/token-key/decider.ts';
import { type SigningKey, type TokenKeyEvent, tokenKeysStream } from '../domain/token-key/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import { type NewSigningKey, signingKeyContext } from '../infra/signing-key/port.ts';
import { decision, historyOf, type Recorder } from './record.ts';

/** Every process has read the keys again by then; see the gateway's key ring. Milliseconds. */
export const leadMs = 60_000;
/** Verifiers allow for clocks that differ by so much. Milliseconds. */
export const leewayMs = 60_000;

export interface RotationPorts {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly secrets: SecretBox;
  readonly newSigningKey: NewSigningKey;
}

export interface Rotation {
  readonly now: Date;
  /** How long tokens live at most, in milliseconds. */
  readonly tokenLifetimeMs: number;
  /**
   * Only where the newest key has signed for longer than this, or there is none. Without it, one that does not sign
   * yet is left in place. Milliseconds.
   */
  readonly olderThanMs?: number;
  /** The earlier keys verify no more from now on: every token that they have signed is void. */
  readonly revoke?: boolean;
}

/** Undefined where there is none yet; and the position of the last event about any key. */
export async function newestSigningKey(
  log: EventLog,
): Promise<{ readonly newest: SigningKey | undefined; readonly position: bigint }> {
  const history = await historyOf<TokenKeyEvent>(log, catalogue, tokenKeysStream);
  const newest = history.findLast((event) => event.type === 'SigningKeyCreated')?.data;
  return { newest, position: history.at(-1)?.position ?? 0n };
}

/**
 * Puts a new key in the place of the newest one. It is published before it signs, and the old one verifies until its
 * last token has expired, so that no client notices. Of several processes that do so at once, one adds a key.
 *
 * Resolves to the log's position, and to whether this call has added a key.
 */
export const rotateSigningKey =
  ({ log, record, secrets, newSigningKey }: RotationPorts) =>
  async (
    { now, tokenLifetimeMs, olderThanMs = 0, revoke = false }: Rotation,
    metadata: Metadata,
  ): Promise<{ readonly position: bigint; readonly rotated: boolean }> => {
    const { newest, position: before } = await newestSigningKey(log);
    const age = now.getTime() - Date.parse(newest?.signsFrom ?? '');
    if (!revoke && newest !== undefined && age < olderThanMs) return { position: before, rotated: false };

    const { privateKey, ...key } = await newSigningKey();
    // The first one has nobody to wait for, and after a revocation there is nobody else.
    const signsAt = now.getTime() + (newest === undefined || revoke ? 0 : leadMs);
    const { position, states } = await record(
      metadata,
      decision(tokenKeysStream, tokenKeyDecider, {
        replaces: newest?.kid ?? null,
        by: {
          ...key,
          sealedPrivateKey: secrets.seal(privateKey, signingKeyContext(key.kid)),
          signsFrom: new Date(signsAt).toISOString(),
        },
        earlierVerifyUntil: new Date(revoke ? now : signsAt + tokenLifetimeMs + leewayMs).toISOString(),
      }),
    );
    return { position, rotated: states[0].newest === key.kid };
  };
