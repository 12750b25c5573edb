import { catalogue } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { type RefreshTokenCommand, refreshTokenDecider } from '../domain/refresh-token/decider.ts';
import { type RefreshToken, refreshTokenStream } from '../domain/refresh-token/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { decision, type Recorder, stateOf } from './record.ts';

export interface RefreshTokens {
  issue(token: RefreshToken, metadata: Metadata): Promise<void>;
  /** The token with that hash while it is neither revoked nor expired. */
  find(tokenHash: string, now: Date): Promise<RefreshToken | undefined>;
  revoke(tokenHash: string, metadata: Metadata): Promise<void>;
}

/**
 * Read from the log itself and not from a view: a token is asked for seldom and by the name of its stream, and one
 * that was revoked is void everywhere at once.
 */
export function refreshTokens({
  log,
  record,
}: {
  readonly log: EventLog;
  readonly record: Recorder;
}): RefreshTokens {
  const decide = async (
    tokenHash: string,
    command: RefreshTokenCommand,
    metadata: Metadata,
  ): Promise<void> => {
    await record(metadata, decision(refreshTokenStream(tokenHash), refreshTokenDecider, command));
  };

  return {
    issue: (token, metadata) => decide(token.tokenHash, { kind: 'issue', token }, metadata),
    revoke: (tokenHash, metadata) => decide(tokenHash, { kind: 'revoke' }, metadata),

    async find(tokenHash, now) {
      const token = await stateOf(log, catalogue, refreshTokenStream(tokenHash), refreshTokenDecider);
      return token !== null && Date.parse(token.expiresAt) > now.getTime() ? token : undefined;
    },
  };
}
