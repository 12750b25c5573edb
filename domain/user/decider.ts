import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { UserEvent } from './events.ts';

export interface CreateUser {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  readonly passwordHash: string;
}

/** Whether the user exists. */
export const userDecider: Decider<boolean, CreateUser, UserEvent> = {
  initial: false,

  decide(exists, command) {
    if (exists) throw new Refusal({ kind: 'user-exists', username: command.username });
    return [{ type: 'UserCreated', data: command }];
  },

  evolve: () => true,
};
