import { test } from 'node:test';
import { type User, userDecider } from '../../domain/user/decider.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import { given } from '../given.ts';

const jane = {
  username: 'jane',
  userId: 3,
  administrator: false,
  passwordHash: '$argon2id$first',
  emailKey: 'key-of-address',
  profile: 'sealed',
};
const who = { username: 'jane', userId: 3 };
const created: UserEvent = { type: 'UserCreated', data: jane };
const deleted: UserEvent = { type: 'UserDeleted', data: who };
const successor: UserEvent = { type: 'UserCreated', data: { ...jane, userId: 9 } };

test('a user who does not exist is created as asked', () => {
  given(userDecider)
    .when({ do: 'create', ...jane })
    .then(created);
});

test('a user name is taken once, and a second one changes no password', () => {
  given(userDecider, created)
    .when({ do: 'create', ...jane, userId: 4, passwordHash: '$argon2id$second' })
    .thenRefused({ kind: 'user-exists', username: 'jane' });
});

test('the name of a user who is gone is free', () => {
  given(userDecider, created, deleted)
    .when({ do: 'create', ...jane, userId: 9 })
    .then(successor);
});

test('a changed password, profile or right is recorded with who it concerns', () => {
  given(userDecider, created)
    .when({ do: 'change-password', userId: 3, passwordHash: '$argon2id$second' })
    .then({ type: 'UserPasswordChanged', data: { ...who, passwordHash: '$argon2id$second' } });
  const profile = { emailKey: 'key-of-another', profile: 'sealed again' };
  given(userDecider, created)
    .when({ do: 'change-profile', userId: 3, ...profile })
    .then({ type: 'UserProfileChanged', data: { ...who, ...profile } });
  given(userDecider, created)
    .when({ do: 'change-administrator', userId: 3, administrator: true })
    .then({ type: 'UserAdministratorChanged', data: { ...who, administrator: true } });
});

test('who is an administrator already is not made one again, until it was taken back', () => {
  const granted: UserEvent = { type: 'UserAdministratorChanged', data: { ...who, administrator: true } };
  const revoked: UserEvent = { type: 'UserAdministratorChanged', data: { ...who, administrator: false } };
  given(userDecider, created, granted)
    .when({ do: 'change-administrator', userId: 3, administrator: true })
    .then();
  given(userDecider, created, granted, revoked)
    .when({ do: 'change-administrator', userId: 3, administrator: true })
    .then(granted);
});

test('a user is deleted once', () => {
  given(userDecider, created).when({ do: 'delete', userId: 3 }).then(deleted);
  given(userDecider, created, deleted)
    .when({ do: 'delete', userId: 3 })
    .thenRefused({ kind: 'user-unknown', userId: 3 });
});

test('what is meant for a user who is gone never hits another one of the same name', () => {
  const commands = [
    { do: 'change-password', userId: 3, passwordHash: 'x' },
    { do: 'change-profile', userId: 3, emailKey: null, profile: null },
    { do: 'change-administrator', userId: 3, administrator: true },
    { do: 'delete', userId: 3 },
  ] as const;
  for (const command of commands)
    given<User | null, typeof command, UserEvent>(userDecider, created, deleted, successor)
      .when(command)
      .thenRefused({ kind: 'user-unknown', userId: 3 });
});
