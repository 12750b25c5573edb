import type { Decider } from '../decider.ts';
import type { UserErasureEvent } from './events.ts';

export interface EraseUser {
  readonly userId: number;
}

/** Whether the user is erased, which nobody can undo. */
export const userErasureDecider: Decider<boolean, EraseUser, UserErasureEvent> = {
  initial: false,
  decide: (isErased, { userId }) => (isErased ? [] : [{ type: 'UserErased', data: { userId } }]),
  evolve: () => true,
};
