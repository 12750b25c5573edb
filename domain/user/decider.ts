import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { UserEvent } from './events.ts';

export interface CreateUser {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  readonly passwordHash: string;
  readonly emailKey: string | null;
  /** Sealed under a key of the user. */
  readonly profile: string | null;
}

export type UserCommand =
  | ({ readonly do: 'create' } & CreateUser)
  | {
      readonly do: 'change-profile';
      readonly userId: number;
      readonly emailKey: string | null;
      readonly profile: string | null;
    }
  | {
      readonly do: 'change-password';
      readonly userId: number;
      readonly passwordHash: string;
      /** The hash that has to be in force still; undefined for whatever is. */
      readonly over?: string | undefined;
    }
  | { readonly do: 'change-administrator'; readonly userId: number; readonly administrator: boolean }
  | { readonly do: 'delete'; readonly userId: number };

export interface User {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  readonly emailKey: string | null;
  readonly passwordHash: string;
}

/** The user who bears the name now, or null. */
export const userDecider: Decider<User | null, UserCommand, UserEvent> = {
  initial: null,

  decide(user, command) {
    if (command.do === 'create') {
      const { do: _, ...data } = command;
      if (user !== null) throw new Refusal({ kind: 'user-exists', username: data.username });
      return [{ type: 'UserCreated', data }];
    }
    // Also where somebody else bears the name by now.
    if (user?.userId !== command.userId) throw new Refusal({ kind: 'user-unknown', userId: command.userId });
    const { username, userId } = user;
    switch (command.do) {
      case 'change-profile': {
        const { emailKey, profile } = command;
        return [{ type: 'UserProfileChanged', data: { username, userId, emailKey, profile } }];
      }
      case 'change-password':
        // Who knew the old password must not undo that somebody has set another one since.
        if (command.over !== undefined && command.over !== user.passwordHash)
          throw new Refusal({ kind: 'password-changed' });
        return [
          { type: 'UserPasswordChanged', data: { username, userId, passwordHash: command.passwordHash } },
        ];
      case 'change-administrator': {
        const { administrator } = command;
        if (administrator === user.administrator) return [];
        return [{ type: 'UserAdministratorChanged', data: { username, userId, administrator } }];
      }
      case 'delete':
        return [{ type: 'UserDeleted', data: { username, userId } }];
    }
  },

  evolve(user, event) {
    switch (event.type) {
      case 'UserCreated': {
        const { username, userId, administrator, emailKey, passwordHash } = event.data;
        return { username, userId, administrator, emailKey, passwordHash };
      }
      case 'UserProfileChanged':
        return user && { ...user, emailKey: event.data.emailKey };
      case 'UserPasswordChanged':
        return user && { ...user, passwordHash: event.data.passwordHash };
      case 'UserAdministratorChanged':
        return user && { ...user, administrator: event.data.administrator };
      case 'UserDeleted':
        return null;
    }
  },
};

/** Deletes the user where he still bears the name, and does nothing else. */
export const deletingUser: Decider<User | null, { readonly userId: number }, UserEvent> = {
  ...userDecider,
  decide: (user, { userId }) =>
    user?.userId === userId ? userDecider.decide(user, { do: 'delete', userId }) : [],
};

/** Decides nothing, but that the user is still there when something else is recorded. */
export const requiringUser: Decider<
  User | null,
  { readonly username: string; readonly userId: number },
  UserEvent
> = {
  ...userDecider,
  decide(user, { userId }) {
    if (user?.userId !== userId) throw new Refusal({ kind: 'user-unknown', userId });
    return [];
  },
};
