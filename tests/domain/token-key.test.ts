import { test } from 'node:test';
import { tokenKeyDecider } from '../../domain/token-key/decider.ts';
import type { SigningKey, TokenKeyEvent } from '../../domain/token-key/events.ts';
import { given } from '../given.ts';

const key = (kid: string): SigningKey => ({
  kid,
  algorithm: 'ES256',
  publicKey: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' },
  sealedPrivateKey: `sealed ${kid}`,
  signsFrom: '2026-11-01T00:00:00.000Z',
});
const created = (kid: string): TokenKeyEvent => ({ type: 'SigningKeyCreated', data: key(kid) });
const retired = (kid: string, verifiesUntil: string): TokenKeyEvent => ({
  type: 'SigningKeyRetired',
  data: { kid, verifiesUntil },
});
const noon = '2026-11-01T12:00:00.000Z';
const evening = '2026-11-01T18:00:00.000Z';

test('the first key retires nothing', () => {
  given(tokenKeyDecider)
    .when({ replaces: null, by: key('one'), earlierVerifyUntil: noon })
    .then(created('one'));
});

test('a new key retires the one that it replaces', () => {
  given(tokenKeyDecider, created('one'))
    .when({ replaces: 'one', by: key('two'), earlierVerifyUntil: noon })
    .then(created('two'), retired('one', noon));
});

test('of two that replace the same key, the second adds nothing', () => {
  given(tokenKeyDecider, created('one'), created('two'), retired('one', noon))
    .when({ replaces: 'one', by: key('three'), earlierVerifyUntil: evening })
    .then();
  given(tokenKeyDecider, created('one'))
    .when({ replaces: null, by: key('two'), earlierVerifyUntil: evening })
    .then();
});

test('a retired key verifies no longer than was said at first', () => {
  given(tokenKeyDecider, created('one'), created('two'), retired('one', noon))
    .when({ replaces: 'two', by: key('three'), earlierVerifyUntil: evening })
    .then(created('three'), retired('two', evening));
});

test('a retired key is called back where every earlier token is to be void', () => {
  given(tokenKeyDecider, created('one'), created('two'), retired('one', evening))
    .when({ replaces: 'two', by: key('three'), earlierVerifyUntil: noon })
    .then(created('three'), retired('one', noon), retired('two', noon));
});
