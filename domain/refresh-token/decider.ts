import type { Decider } from '../decider.ts';
import type { RefreshToken, RefreshTokenEvent } from './events.ts';

export type RefreshTokenCommand =
  | { readonly kind: 'issue'; readonly token: RefreshToken }
  | { readonly kind: 'revoke' };

/** The token while it can be used; null before it was issued and after it was revoked. */
export const refreshTokenDecider: Decider<RefreshToken | null, RefreshTokenCommand, RefreshTokenEvent> = {
  initial: null,

  decide(current, command) {
    if (command.kind === 'issue') return [{ type: 'RefreshTokenIssued', data: command.token }];
    // Who revokes what is unknown or void has what was asked for (RFC 7009, section 2.2).
    if (current === null) return [];
    return [{ type: 'RefreshTokenRevoked', data: { tokenHash: current.tokenHash } }];
  },

  evolve: (_, event) => (event.type === 'RefreshTokenIssued' ? event.data : null),
};
