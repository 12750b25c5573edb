import { test } from 'node:test';
import { deletingUser } from '../../domain/user/decider.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import { userErasureDecider } from '../../domain/user-erasure/decider.ts';
import { given } from '../given.ts';

const username = 'jane';
const created = (userId: number): UserEvent => ({
  type: 'UserCreated',
  data: { username, userId, administrator: false, passwordHash: '$argon2id$', emailKey: null, profile: null },
});
const deleted = (userId: number): UserEvent => ({ type: 'UserDeleted', data: { username, userId } });
const erased = { type: 'UserErased', data: { userId: 3 } } as const;

test('a user is erased once', () => {
  given(userErasureDecider).when({ userId: 3 }).then(erased);
  given(userErasureDecider, erased).when({ userId: 3 }).then();
});

test('who is to be erased is deleted, if that is still to be done, and nobody else of the name is', () => {
  given(deletingUser, created(3)).when({ userId: 3 }).then(deleted(3));
  given(deletingUser, created(3), deleted(3)).when({ userId: 3 }).then();
  given(deletingUser, created(3), deleted(3), created(7)).when({ userId: 3 }).then();
});
