import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { recorder } from '../../commands/record.ts';
import { refreshTokens } from '../../commands/refresh-tokens.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { startServer } from '../server.ts';
import { pushImage, send } from './client.ts';
import { eventsOf, openLogOf } from './server-log.ts';
import { accessOf, askToken, bearer, postForm } from './token-client.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
await pushImage(server, 'library/app', '1.0');
const scope = 'repository:library/app:pull,push';
const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

async function refreshToken(): Promise<string> {
  const { refresh_token } = await askToken(server, { more: { offline_token: 'true', client_id: 'docker' } });
  assert.ok(refresh_token !== undefined);
  return refresh_token;
}

const use = (token: string, more: Readonly<Record<string, string>> = {}) =>
  postForm(server, { grant_type: 'refresh_token', refresh_token: token, scope, ...more });

const errorOf = (answer: { readonly body: Buffer }) => JSON.parse(answer.body.toString()).error;

test('a refresh token comes only to those who ask for one', async () => {
  const asked = await askToken(server, { more: { offline_token: 'true' } });
  assert.match(asked.refresh_token ?? '', /^[\w-]{43}$/);
  for (const more of [{}, { offline_token: 'false' }, { offline_token: '' }])
    assert.equal((await askToken(server, { more })).refresh_token, undefined);
  const form = { grant_type: 'password', username: 'admin', password: server.password };
  const online = JSON.parse((await postForm(server, form)).body.toString());
  const offline = JSON.parse((await postForm(server, { ...form, access_type: 'offline' })).body.toString());
  assert.equal(online.refresh_token, undefined);
  assert.match(offline.refresh_token, /^[\w-]{43}$/);
});

test('there is none for nobody in particular', async () => {
  const { refresh_token } = await askToken(server, { as: '', more: { offline_token: 'true' } });
  assert.equal(refresh_token, undefined);
});

test('a refresh token gives tokens without the password, again and again, and stays the same', async () => {
  const refresh = await refreshToken();
  for (const _ of [1, 2]) {
    const answer = await use(refresh);
    assert.equal(answer.status, 200, answer.body.toString());
    const { token, refresh_token, scope: granted } = JSON.parse(answer.body.toString());
    assert.deepEqual([refresh_token, granted], [refresh, scope]);
    assert.deepEqual(accessOf(token), { 'repository:library/app': 'pull,push' });
    assert.equal((await send(server, 'GET', '/v2/library/app/manifests/1.0', bearer(token))).status, 200);
  }
});

test('a refresh token is good at the token service alone', async () => {
  const refresh = await refreshToken();
  assert.equal((await send(server, 'GET', '/v2/', bearer(refresh))).status, 401);
  assert.equal((await send(server, 'GET', '/v2/', { as: `admin:${refresh}` })).status, 401);
});

test('the log holds the hash of a refresh token and nowhere the token', async () => {
  const refresh = await refreshToken();
  const [issued] = await eventsOf(log, `refresh-token/${hashOf(refresh)}`);
  assert.equal(issued?.type, 'RefreshTokenIssued');
  assert.deepEqual(issued?.data.subject, { kind: 'user', id: 1, name: 'admin', credentialVersion: 0 });
  assert.equal(issued?.metadata.actor, 'user:admin');
  for await (const events of log.readAll(0n))
    assert.ok(!JSON.stringify(events, (_, value) => String(value)).includes(refresh));
});

test('a refresh token that was revoked gives no token any more, and who revokes it again is told the same', async () => {
  const refresh = await refreshToken();
  for (const _ of [1, 2]) {
    const revoked = await postForm(server, { token: refresh }, '/service/token/revoke');
    assert.equal(revoked.status, 200);
    const answer = await use(refresh);
    assert.equal(answer.status, 400);
    assert.equal(errorOf(answer), 'invalid_grant');
  }
  assert.deepEqual(
    (await eventsOf(log, `refresh-token/${hashOf(refresh)}`)).map(({ type }) => type),
    ['RefreshTokenIssued', 'RefreshTokenRevoked'],
  );
});

test('who revokes a token that never was is told nothing else, and leaves nothing behind', async () => {
  for (const token of ['', 'x', 'a'.repeat(43), 'a'.repeat(5000)]) {
    assert.equal((await postForm(server, { token }, '/service/token/revoke')).status, 200);
    assert.equal((await log.readStream(`refresh-token/${hashOf(token)}`)).revision, 'none');
  }
});

test('a refresh token of another service, or another account, or of the past gives no token', async () => {
  const tokens = refreshTokens({ log, record: recorder({ log, catalogue, newEventId }) });
  const subject = { kind: 'user', id: 1, name: 'admin', credentialVersion: 0 } as const;
  const good = {
    subject,
    service: 'harbor-registry',
    expiresAt: new Date(Date.now() + 60_000).toISOString(),
  };
  const issue = async (letter: string, token: object): Promise<string> => {
    const text = letter.repeat(43);
    await tokens.issue({ ...good, ...token, tokenHash: hashOf(text) }, { actor: 'user:admin' });
    return text;
  };
  assert.equal((await use(await issue('a', {}))).status, 200);
  for (const [letter, fault] of Object.entries({
    b: { service: 'other' },
    c: { expiresAt: new Date(Date.now() - 1).toISOString() },
    d: { subject: { ...subject, credentialVersion: 7 } },
    e: { subject: { ...subject, id: 7 } },
    f: { subject: { ...subject, name: 'nobody' } },
    g: { subject: { ...subject, kind: 'robot' } },
  })) {
    const answer = await use(await issue(letter, fault));
    assert.deepEqual([answer.status, errorOf(answer)], [400, 'invalid_grant'], letter);
  }
});

test('what is no refresh token gives no token', async () => {
  for (const token of ['', 'x', 'z'.repeat(43), 'z'.repeat(5000), '../user/admin', `${'z'.repeat(42)}\0`])
    assert.deepEqual([(await use(token)).status, errorOf(await use(token))], [400, 'invalid_grant']);
});

test('a refresh token works after a restart', async () => {
  const refresh = await refreshToken();
  await server.stop();
  await server.start();
  assert.equal((await use(refresh)).status, 200);
});
