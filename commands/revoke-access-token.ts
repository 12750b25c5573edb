import { accessTokensDecider } from '../domain/access-token/decider.ts';
import { accessTokensStream } from '../domain/access-token/events.ts';
import type { Metadata } from '../domain/event.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. @throws Refusal `access-token-unknown` */
export const revokeAccessToken =
  ({ record }: { readonly record: Recorder }) =>
  async (
    which: { readonly userId: number; readonly tokenId: number },
    metadata: Metadata,
  ): Promise<bigint> => {
    const revoked = decision(accessTokensStream(which.userId), accessTokensDecider, {
      do: 'revoke',
      ...which,
    });
    return (await record(metadata, revoked)).position;
  };
