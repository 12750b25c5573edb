import { accessTokensDecider, type CreateAccessToken as Decided } from '../domain/access-token/decider.ts';
import { accessTokensStream } from '../domain/access-token/events.ts';
import { writeAccessToken } from '../domain/access-token/secret.ts';
import type { Metadata } from '../domain/event.ts';
import { requiringUser } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

export type CreateAccessToken = Omit<Decided, 'tokenId' | 'secretHash' | 'now'>;

export interface CreateAccessTokenPorts {
  readonly record: Recorder;
  readonly allocateId: AllocateId;
  /** A keyed hash. */
  hashAccessToken(token: string): string;
  randomBytes(length: number): Uint8Array;
}

export interface CreatedAccessToken {
  readonly tokenId: number;
  /** What is shown this once; recorded as a hash alone. */
  readonly token: string;
  readonly position: bigint;
}

/** @throws Refusal `access-token-exists`, `too-many-access-tokens`, `user-unknown` */
export const createAccessToken =
  ({ record, allocateId, hashAccessToken, randomBytes }: CreateAccessTokenPorts) =>
  async (create: CreateAccessToken, metadata: Metadata): Promise<CreatedAccessToken> => {
    const { userId, username } = create;
    const tokenId = await allocateId('access-token', metadata);
    const token = writeAccessToken(tokenId, randomBytes(32));
    const secretHash = hashAccessToken(token);
    const command = { do: 'create', ...create, tokenId, secretHash, now: new Date() } as const;
    const { position } = await record(
      metadata,
      decision(userStream(username), requiringUser, { username, userId }),
      decision(accessTokensStream(userId), accessTokensDecider, command),
    );
    return { tokenId, token, position };
  };
