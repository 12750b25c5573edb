import type { Decider } from '../decider.ts';
import type { SigningKey, TokenKeyEvent } from './events.ts';

export interface ReplaceSigningKey {
  /** The newest key that the caller knows of; null where it knows of none. */
  readonly replaces: string | null;
  readonly by: SigningKey;
  /** When the tokens of all earlier keys have expired. ISO 8601, UTC. */
  readonly earlierVerifyUntil: string;
}

export interface TokenKeys {
  readonly newest: string | null;
  /** Until when each key verifies; null for no end yet. */
  readonly verifiesUntil: ReadonlyMap<string, string | null>;
}

export const tokenKeyDecider: Decider<TokenKeys, ReplaceSigningKey, TokenKeyEvent> = {
  initial: { newest: null, verifiesUntil: new Map() },

  decide({ newest, verifiesUntil }, { replaces, by, earlierVerifyUntil }) {
    // Another process was faster; what it has put in place is as new as ours.
    if (newest !== replaces) return [];
    const retired = [...verifiesUntil]
      // Never extended: a key that was called back at once stays so.
      .filter(([, until]) => until === null || Date.parse(until) > Date.parse(earlierVerifyUntil))
      .map(
        ([kid]): TokenKeyEvent => ({
          type: 'SigningKeyRetired',
          data: { kid, verifiesUntil: earlierVerifyUntil },
        }),
      );
    return [{ type: 'SigningKeyCreated', data: by }, ...retired];
  },

  evolve({ newest, verifiesUntil }, event) {
    const { kid } = event.data;
    switch (event.type) {
      case 'SigningKeyCreated':
        return { newest: kid, verifiesUntil: new Map([...verifiesUntil, [kid, null]]) };
      case 'SigningKeyRetired':
        return { newest, verifiesUntil: new Map([...verifiesUntil, [kid, event.data.verifiesUntil]]) };
    }
  },
};
