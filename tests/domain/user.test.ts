import { test } from 'node:test';
import { userDecider } from '../../domain/user/decider.ts';
import { given } from '../given.ts';

const admin = { username: 'admin', userId: 1, administrator: true, passwordHash: '$argon2id$first' };

test('a user who does not exist is created as asked', () => {
  given(userDecider).when(admin).then({ type: 'UserCreated', data: admin });
});

test('a user name is taken once, and a second one changes no password', () => {
  given(userDecider, { type: 'UserCreated', data: admin })
    .when({ ...admin, passwordHash: '$argon2id$second' })
    .thenRefused({ kind: 'user-exists', username: 'admin' });
});
