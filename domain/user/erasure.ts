import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { UserEvent } from './events.ts';

/** All who have borne one name, by their numbers. */
export type Bearers = ReadonlyMap<number, 'bears it' | 'is gone' | 'is erased'>;

export interface EraseUser {
  readonly userId: number;
  /** The name, which belongs to one of them at a time. */
  readonly username: string;
}

/** Decides that one of those who have borne the name is erased: who still does is deleted first. */
export const erasureDecider: Decider<Bearers, EraseUser, UserEvent> = {
  initial: new Map(),

  decide(bearers, { userId, username }) {
    const erased: UserEvent = { type: 'UserErased', data: { userId } };
    switch (bearers.get(userId)) {
      case undefined:
        throw new Refusal({ kind: 'user-unknown', userId });
      case 'bears it':
        return [{ type: 'UserDeleted', data: { username, userId } }, erased];
      case 'is gone':
        return [erased];
      case 'is erased':
        return [];
    }
  },

  evolve(bearers, { type, data: { userId } }) {
    switch (type) {
      case 'UserCreated':
        return new Map(bearers).set(userId, 'bears it');
      case 'UserDeleted':
        return new Map(bearers).set(userId, 'is gone');
      case 'UserErased':
        return new Map(bearers).set(userId, 'is erased');
      default:
        return bearers;
    }
  },
};
