import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { PreferencesEvent } from './events.ts';

export interface ChangePreferences {
  readonly userId: number;
  readonly fingerprint: string;
  readonly sealed: string;
  /** The fingerprints of what may be overwritten, null for that of none; undefined for whatever is there. */
  readonly over: readonly (string | null)[] | undefined;
}

/** The fingerprint of the user's preferences; null while there are none. */
export const preferencesDecider: Decider<string | null, ChangePreferences, PreferencesEvent> = {
  initial: null,

  decide(current, { over, ...data }) {
    // Also for who sends again what has arrived already.
    if (current === data.fingerprint) return [];
    if (over !== undefined && !over.includes(current)) throw new Refusal({ kind: 'preferences-changed' });
    return [{ type: 'PreferencesChanged', data }];
  },

  evolve: (_, { data }) => data.fingerprint,
};
