import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { EmailEvent } from './events.ts';

interface Reservation {
  readonly emailKey: string;
  readonly userId: number;
  readonly username: string;
}

export type EmailCommand = Reservation & {
  readonly do: 'reserve' | 'release';
  /**
   * A user who has reserved the address and does not have it, because a crash came between the two; a fact, read
   * before deciding.
   */
  readonly abandonedBy?: number;
};

/** Who has the address, or null. */
export const emailDecider: Decider<number | null, EmailCommand, EmailEvent> = {
  initial: null,

  decide(holder, { do: what, abandonedBy, ...data }) {
    if (what === 'release') return holder === data.userId ? [{ type: 'EmailReleased', data }] : [];
    const isFree = holder === null || holder === data.userId || holder === abandonedBy;
    if (!isFree) throw new Refusal({ kind: 'email-taken' });
    // Also for who has it: a release that was decided before must not come after it.
    return [{ type: 'EmailReserved', data }];
  },

  evolve: (_, event) => (event.type === 'EmailReserved' ? event.data.userId : null),
};
