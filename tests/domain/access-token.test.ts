import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { accessTokensDecider, maxAccessTokens } from '../../domain/access-token/decider.ts';
import type { AccessTokenEvent } from '../../domain/access-token/events.ts';
import { readAccessToken, writeAccessToken } from '../../domain/access-token/secret.ts';
import { given } from '../given.ts';

const permissions = [
  {
    scope: { kind: 'project', project: 'team', projectId: 2 } as const,
    access: ['repository:pull' as const],
  },
];
const command = {
  do: 'create',
  tokenId: 1,
  userId: 4,
  username: 'alice',
  name: 'laptop',
  description: 'of the train',
  permissions,
  secretHash: 'hash',
  now: new Date('2025-01-01T12:00:00Z'),
  durationDays: 30,
} as const;
const createdAs = (tokenId: number, name: string): AccessTokenEvent => ({
  type: 'AccessTokenCreated',
  data: {
    tokenId,
    userId: 4,
    username: 'alice',
    name,
    description: 'of the train',
    permissions: permissions.map(({ scope, access }) => ({ scope, access: [...access] })),
    secretHash: 'hash',
    createdAt: '2025-01-01T12:00:00.000Z',
    expiresAt: '2025-01-31T12:00:00.000Z',
  },
});
const created = createdAs(1, 'laptop');
const revoked: AccessTokenEvent = { type: 'AccessTokenRevoked', data: { tokenId: 1, userId: 4 } };

test('an access token lives as many days as it was given, or for ever', () => {
  given(accessTokensDecider).when(command).then(created);
  given(accessTokensDecider)
    .when({ ...command, durationDays: null, permissions: null })
    .then({ ...created, data: { ...created.data, permissions: null, expiresAt: null } } as AccessTokenEvent);
});

test('a user gives each name once, until the token is revoked', () => {
  given(accessTokensDecider, created)
    .when({ ...command, tokenId: 2 })
    .thenRefused({ kind: 'access-token-exists', name: 'laptop' });
  given(accessTokensDecider, created)
    .when({ ...command, tokenId: 2, name: 'desktop' })
    .then(createdAs(2, 'desktop'));
  given(accessTokensDecider, created, revoked)
    .when({ ...command, tokenId: 2 })
    .then(createdAs(2, 'laptop'));
});

test('a user has a bounded number of access tokens', () => {
  const many = Array.from({ length: maxAccessTokens }, (_, index) => createdAs(index + 1, `of ${index}`));
  const more = { ...command, tokenId: 1000 };
  given(accessTokensDecider, ...many)
    .when(more)
    .thenRefused({ kind: 'too-many-access-tokens', max: maxAccessTokens });
  given(accessTokensDecider, ...many, revoked)
    .when(more)
    .then(createdAs(1000, 'laptop'));
});

test('an access token is revoked once', () => {
  const revoke = { do: 'revoke', userId: 4, tokenId: 1 } as const;
  given(accessTokensDecider, created).when(revoke).then(revoked);
  for (const history of [[], [created, revoked]])
    given(accessTokensDecider, ...history)
      .when(revoke)
      .thenRefused({ kind: 'access-token-unknown', tokenId: 1 });
});

const random = Uint8Array.from({ length: 32 }, (_, index) => index * 7);

test('an access token says what it is and which, has 256 random bits, and a checksum', () => {
  const token = writeAccessToken(42, random);
  assert.match(token, /^shiplog_pat_42_[0-9A-Za-z]{49}$/);
  assert.equal(readAccessToken(token), 42);
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const value = [...token.slice(-6)].reduce((sum, digit) => sum * 62 + digits.indexOf(digit), 0);
  assert.equal(value, crc32(token.slice(0, -6)));
  for (const edge of [new Uint8Array(32), new Uint8Array(32).fill(255)])
    assert.equal(readAccessToken(writeAccessToken(2 ** 31 - 1, edge)), 2 ** 31 - 1);
  assert.notEqual(writeAccessToken(42, new Uint8Array(32)), token);
  assert.throws(() => writeAccessToken(42, new Uint8Array(31)), RangeError);
});

test('what was not written as an access token is none', () => {
  const token = writeAccessToken(42, random);
  const swapped = token.replace(/_(\w)(\w)(\w{47})$/, '_$2$1$3');
  for (const text of [
    '',
    'shiplog_pat_',
    token.slice(1),
    token.slice(0, -1),
    `${token}0`,
    ` ${token}`,
    `${token}\n`,
    token.replace('_42_', '_43_'),
    token.replace('_42_', '_042_'),
    token.replace('_42_', '_0_'),
    token.toUpperCase(),
    swapped === token ? '' : swapped,
    writeAccessToken(2 ** 31, random),
  ])
    assert.equal(readAccessToken(text), undefined, text);
});
