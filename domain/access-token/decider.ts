import type { TokenPermission } from '../access/principal.ts';
import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { AccessTokenEvent } from './events.ts';

/** More than a person keeps in mind; also those that have expired count, until they are revoked. */
export const maxAccessTokens = 100;

export interface CreateAccessToken {
  readonly tokenId: number;
  readonly userId: number;
  readonly username: string;
  readonly name: string;
  readonly description: string;
  /** Null for everything that the user may. */
  readonly permissions: readonly TokenPermission[] | null;
  readonly secretHash: string;
  readonly now: Date;
  /** Null for never. */
  readonly durationDays: number | null;
}

export type AccessTokenCommand =
  | ({ readonly do: 'create' } & CreateAccessToken)
  | { readonly do: 'revoke'; readonly userId: number; readonly tokenId: number };

/** The names of the user's tokens, by their numbers. */
type AccessTokens = ReadonlyMap<number, string>;

/** The tokens of one user. */
export const accessTokensDecider: Decider<AccessTokens, AccessTokenCommand, AccessTokenEvent> = {
  initial: new Map(),

  decide(tokens, command) {
    if (command.do === 'revoke') {
      const { tokenId, userId } = command;
      if (!tokens.has(tokenId)) throw new Refusal({ kind: 'access-token-unknown', tokenId });
      return [{ type: 'AccessTokenRevoked', data: { tokenId, userId } }];
    }
    const { do: _, now, durationDays, permissions, ...rest } = command;
    if ([...tokens.values()].includes(rest.name))
      throw new Refusal({ kind: 'access-token-exists', name: rest.name });
    if (tokens.size >= maxAccessTokens)
      throw new Refusal({ kind: 'too-many-access-tokens', max: maxAccessTokens });
    const data = {
      ...rest,
      permissions:
        permissions?.map(({ scope, access }) => ({ scope: { ...scope }, access: [...access] })) ?? null,
      createdAt: now.toISOString(),
      expiresAt: durationDays === null ? null : daysAfter(now, durationDays),
    };
    return [{ type: 'AccessTokenCreated', data }];
  },

  evolve(tokens, { type, data }) {
    const after = new Map(tokens);
    if (type === 'AccessTokenCreated') after.set(data.tokenId, data.name);
    else after.delete(data.tokenId);
    return after;
  },
};

const dayMs = 24 * 60 * 60 * 1000;
const daysAfter = (start: Date, days: number): string =>
  new Date(start.getTime() + days * dayMs).toISOString();
