import { test } from 'node:test';
import { erasureDecider } from '../../domain/user/erasure.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import { given } from '../given.ts';

const username = 'jane';
const created = (userId: number): UserEvent => ({
  type: 'UserCreated',
  data: { username, userId, administrator: false, passwordHash: '$argon2id$', emailKey: null, profile: null },
});
const deleted = (userId: number): UserEvent => ({ type: 'UserDeleted', data: { username, userId } });
const erased = (userId: number): UserEvent => ({ type: 'UserErased', data: { userId } });

test('who bears the name is deleted and erased as one', () => {
  given(erasureDecider, created(3)).when({ userId: 3, username }).then(deleted(3), erased(3));
});

test('who has borne it is erased, while somebody else bears it', () => {
  given(erasureDecider, created(3), deleted(3), created(7)).when({ userId: 3, username }).then(erased(3));
});

test('who is erased already is not erased again, nor is his successor by that', () => {
  given(erasureDecider, created(3), deleted(3), erased(3), created(7)).when({ userId: 3, username }).then();
});

test('nobody is erased who has never borne the name', () => {
  given(erasureDecider, created(3))
    .when({ userId: 4, username })
    .thenRefused({ kind: 'user-unknown', userId: 4 });
});
