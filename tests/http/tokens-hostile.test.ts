import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import {
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { codesOf, digestOf, pushImage, send } from './client.ts';
import { privateKeyOf, signingKeysOf } from './installation-keys.ts';
import { openLogOf } from './server-log.ts';
import { bearer, challengeOf, tokenFor } from './token-client.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
await pushImage(server, 'library/app', '1.0');
const path = '/v2/library/app/manifests/1.0';

const [key] = await signingKeysOf(log);
assert.ok(key !== undefined);
const { kid } = key;
const ours = await privateKeyOf(server, key);
const attackers = await generateKeyPair('ES256', { extractable: true });
const good = decodeJwt(await tokenFor(server, 'library/app', 'pull'));
const now = Math.floor(Date.now() / 1000);

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const header = (more: object = {}): JWTHeaderParameters => ({ alg: 'ES256', typ: 'JWT', kid, ...more });
/** Signed with the server's own key, unless another one is given. */
const sign = (payload: JWTPayload, more: object = {}, by = ours): Promise<string> =>
  new SignJWT(payload).setProtectedHeader(header(more)).sign(by);
const signed = await sign(good);
const [head = '', body = '', signature = ''] = signed.split('.');

/** What the attackers' servers are asked for; nothing, if all is well. */
const fetched: string[] = [];
const evil = createServer(({ url = '' }, response) => {
  fetched.push(url);
  response.end('{}');
});
await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
after(() => evil.close());
const evilUrl = `http://127.0.0.1:${(evil.address() as AddressInfo).port}/jwks.json`;

const publicPem = createPublicKey({ key: key.publicKey, format: 'jwk' }).export({
  type: 'spki',
  format: 'pem',
});
const hmacOf = (secret: string | Buffer): string => {
  const text = `${encode(header({ alg: 'HS256' }))}.${body}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
};
const attackersJwk = await exportJWK(attackers.publicKey);
const without = (claim: string): JWTPayload => {
  const { [claim]: _, ...rest } = good;
  return rest;
};
const manyEntries = Array.from({ length: 200 }, (_, n) => ({
  type: 'repository',
  name: `l/${n}`,
  actions: [],
}));

const refused: Readonly<Record<string, string>> = {
  'the algorithm none': `${encode(header({ alg: 'none' }))}.${body}.`,
  'the algorithm None': `${encode(header({ alg: 'None' }))}.${body}.${signature}`,
  'an empty signature': `${head}.${body}.`,
  'the signature of another token': `${head}.${encode({ ...good, sub: 'root' })}.${signature}`,
  'the public key as the secret of HS256': hmacOf(publicPem),
  'the public JWK as the secret of HS256': hmacOf(JSON.stringify(key.publicKey)),
  'an empty secret of HS256': hmacOf(''),
  'another key under our kid': await sign(good, {}, attackers.privateKey),
  'the attacker’s key in the header': await sign(good, { jwk: attackersJwk }, attackers.privateKey),
  'the attacker’s key set by URL': await sign(good, { jku: evilUrl }, attackers.privateKey),
  'the attacker’s certificate by URL': await sign(good, { x5u: evilUrl }, attackers.privateKey),
  'the attacker’s chain of certificates': await sign(good, { x5c: ['MIIB'] }, attackers.privateKey),
  'a kid that is unknown': await sign(good, { kid: 'other' }, attackers.privateKey),
  'no kid': await sign(good, { kid: undefined }),
  'a kid that is no text': await sign(good, { kid: 7 }),
  'a critical extension that nobody knows': `${encode(header({ crit: ['x'], x: 1 }))}.${body}.${signature}`,
  'an expiry beyond the leeway': await sign({ ...good, exp: now - 120 }),
  'no expiry': await sign(without('exp')),
  'an expiry of text': `${await sign({ ...good, exp: `${now + 600}` as unknown as number })}`,
  'an expiry with a fraction': await sign({ ...good, exp: now + 600.5 }),
  'an expiry in eternity': await sign({ ...good, exp: 1e20 }),
  'a start in the future': await sign({ ...good, nbf: now + 600 }),
  'no start': await sign(without('nbf')),
  'an issue in the future': await sign({ ...good, iat: now + 600 }),
  'no issue': await sign(without('iat')),
  'another audience': await sign({ ...good, aud: 'other' }),
  'audiences without ours': await sign({ ...good, aud: ['other', 'another'] }),
  'an audience of a number': await sign({ ...good, aud: 7 as unknown as string }),
  'no audience': await sign(without('aud')),
  'another issuer': await sign({ ...good, iss: 'other' }),
  'no issuer': await sign(without('iss')),
  'no name of its subject': await sign(without('sub')),
  'no id': await sign(without('jti')),
  'no subject': await sign(without('subject')),
  'a subject that is not there': await sign({
    ...good,
    subject: { kind: 'user', id: 99, name: 'nobody', credentialVersion: 0 },
  }),
  'a subject of another id': await sign({ ...good, subject: { ...(good.subject as object), id: 99 } }),
  'a subject of another version': await sign({
    ...good,
    subject: { ...(good.subject as object), credentialVersion: 99 },
  }),
  'a robot in the place of a user': await sign({
    ...good,
    subject: { ...(good.subject as object), kind: 'robot' },
  }),
  'access that is no list': await sign({ ...good, access: { all: true } }),
  'more access than a token can hold': await sign({ ...good, access: manyEntries }),
  'five dots': `${signed}.${body}.${signature}.`,
  'thousands of dots': '.'.repeat(8000),
  'two parts': `${head}.${body}`,
  'no dot': head,
  'a header that is no JSON': `${Buffer.from('nonsense').toString('base64url')}.${body}.${signature}`,
  'a header that is a list': `${encode([header()])}.${body}.${signature}`,
  'claims that are no JSON': `${head}.bm9uc2Vuc2U.${signature}`,
};
const accepted: Readonly<Record<string, string>> = {
  'our service among several': await sign({ ...good, aud: ['other', 'harbor-registry'] }),
  'an expiry within the leeway': await sign({ ...good, exp: now - 10 }),
  'a start within the leeway': await sign({ ...good, nbf: now + 20 }),
  'a key in the header that nobody reads': await sign(good, { jwk: attackersJwk }),
};

test('a token with the claims of a real one, signed with the real key, is good', async () => {
  assert.equal((await send(server, 'GET', path, bearer(signed))).status, 200);
});

for (const [fault, token] of Object.entries(refused)) {
  test(`a token with ${fault} is not valid, also where anybody may read`, async () => {
    const answer = await send(server, 'GET', path, bearer(token));
    assert.equal(answer.status, 401, answer.body.toString());
    assert.deepEqual(codesOf(answer), ['UNAUTHORIZED']);
    const { error, scope } = challengeOf(answer);
    assert.deepEqual([error, scope], ['invalid_token', 'repository:library/app:pull']);
  });
}

test('nobody asks the URLs that a token names', () => {
  assert.deepEqual(fetched, []);
});

for (const [what, token] of Object.entries(accepted)) {
  test(`a token with ${what} is good`, async () => {
    assert.equal((await send(server, 'GET', path, bearer(token))).status, 200);
  });
}

for (const access of [undefined, null, []]) {
  test(`a token whose access is ${JSON.stringify(access)} gives no right, and says who it is`, async () => {
    const token = await sign(access === undefined ? without('access') : { ...good, access });
    const answer = await send(server, 'GET', path, bearer(token));
    assert.equal(answer.status, 401);
    assert.equal(challengeOf(answer).error, 'insufficient_scope');
    assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);
  });
}

const others: readonly [granted: string, used: string][] = [
  ['library/foo/bar', 'library/foo'],
  ['library/foo/bar', 'library/foo/bar/baz'],
  ['library/foo', 'library/foo-bar'],
  ['library/foo', 'library/fo'],
  ['other/foo', 'library/foo'],
];
for (const [granted, used] of others) {
  test(`a token for ${granted} is of no use for ${used}`, async () => {
    const token = await tokenFor(server, granted, 'pull,push,delete');
    const answer = await send(server, 'GET', `/v2/${used}/tags/list`, bearer(token));
    assert.equal(answer.status, 401);
    const { error, scope } = challengeOf(answer);
    assert.deepEqual([error, scope], ['insufficient_scope', `repository:${used}:pull`]);
  });
}

test('a token to pull is of no use for a push, which is told what to ask for', async () => {
  const token = await tokenFor(server, 'library/app', 'pull');
  const answer = await send(server, 'POST', '/v2/library/app/blobs/uploads/', bearer(token));
  assert.equal(answer.status, 401);
  const { error, scope } = challengeOf(answer);
  assert.deepEqual([error, scope], ['insufficient_scope', 'repository:library/app:pull,push']);
});

test('who is nobody in particular is asked to log in, however often he has asked for a token', async () => {
  const token = await tokenFor(server, 'library/app', 'pull,push', '');
  const answer = await send(server, 'POST', '/v2/library/app/blobs/uploads/', bearer(token));
  assert.equal(answer.status, 401);
  assert.equal(challengeOf(answer).error, 'insufficient_scope');
});

test('the scheme of a token counts in any case', async () => {
  for (const scheme of ['bearer', 'BEARER']) {
    const headers = { authorization: `${scheme} ${signed}` };
    assert.equal((await send(server, 'GET', path, { as: '', headers })).status, 200);
  }
});

test('two Authorization headers are refused, whichever would be good', async () => {
  const credentials = `Basic ${Buffer.from(`admin:${server.password}`).toString('base64')}`;
  for (const pair of [
    [credentials, `Bearer ${signed}`],
    [`Bearer ${signed}`, 'Bearer x.y.z'],
  ]) {
    const headers = { authorization: pair } as unknown as Record<string, string>;
    assert.equal((await send(server, 'GET', path, { as: '', headers })).status, 400);
  }
});

test('a header of a megabyte is refused unread', async () => {
  const { status } = await fetch(`${server.url}/v2/`, {
    headers: { authorization: `Bearer ${'a'.repeat(1_000_000)}` },
  });
  assert.equal(status, 431);
});

test('a token that is no longer good is not good because it was so a moment ago', async () => {
  const token = await sign({ ...good, exp: Math.floor(Date.now() / 1000) - 55 });
  assert.equal((await send(server, 'GET', path, bearer(token))).status, 200);
  await until(
    'the leeway is over',
    async () => (await send(server, 'GET', path, bearer(token))).status === 401,
  );
});

test('a push that has begun ends well, though its token expires meanwhile', async () => {
  const access = [{ type: 'repository', name: 'library/app', actions: ['pull', 'push'] }];
  const token = await sign({ ...good, access, exp: Math.floor(Date.now() / 1000) - 55 });
  const [start, end] = ['sent in time', 'sent too late'];
  async function* slowly() {
    yield Buffer.from(start);
    await until(
      'the token is not good any more',
      async () => (await send(server, 'GET', path, bearer(token))).status === 401,
    );
    yield Buffer.from(end);
  }
  const upload = `/v2/library/app/blobs/uploads/?digest=${digestOf(start + end)}`;
  const answer = await send(server, 'POST', upload, { ...bearer(token), body: slowly() });
  assert.equal(answer.status, 201, answer.body.toString());
});
