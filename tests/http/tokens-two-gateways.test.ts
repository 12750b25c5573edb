import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changePassword } from '../../commands/change-password.ts';
import { recorder } from '../../commands/record.ts';
import { rotateSigningKey } from '../../commands/rotate-signing-key.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { hashPassword } from '../../infra/password-hash/argon2.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { newSigningKey } from '../../infra/signing-key/es256.ts';
import { openLog } from '../contracts/event-log-postgres-client.ts';
import { startPostgres } from '../postgres.ts';
import { startServer, type TestServer } from '../server.ts';
import { until } from '../until.ts';
import { pushImage, send } from './client.ts';
import { signingKeysOf } from './installation-keys.ts';
import { askToken, bearer, postForm } from './token-client.ts';

const secretKey = 'the secret key of both';
const statusOf = async (server: TestServer, token: string) =>
  (await send(server, 'GET', '/v2/library/app/tags/list', bearer(token))).status;

test('two gateways share their keys, and what ends a token at one ends it at the other', async (t) => {
  const postgres = await startPostgres(t);
  const { host, port, user, password, database } = postgres.connection();
  const environment = {
    SHIPLOG_DATABASE_URL: `postgres://${user}:${password}@${encodeURIComponent(host)}:${port}/${database}`,
    SHIPLOG_SECRET_KEY: secretKey,
    SHIPLOG_HARBOR_ADMIN_PASSWORD: 'Shiplog12345',
  };
  // Both at once, and both for the first time.
  const [one, other] = await Promise.all([startServer(t, { environment }), startServer(t, { environment })]);
  const log = await openLog(JSON.stringify({ ...postgres.connection(), database }));
  t.after(() => log.close());
  const record = recorder({ log, catalogue, newEventId });
  const scope = ['repository:library/app:pull'];
  const ask = () => askToken(one, { scope, more: { offline_token: 'true' } });
  const refresh = (token: string) =>
    postForm(other, { grant_type: 'refresh_token', refresh_token: token, scope: scope[0] ?? '' });
  await pushImage(one, 'library/app', '1.0');

  await t.test('they have one key, whoever was first', async () => {
    assert.equal((await signingKeysOf(log)).length, 1);
    assert.equal(await statusOf(other, (await ask()).token), 200);
  });

  await t.test('a refresh token of one is good at the other, until it is revoked at either', async () => {
    const { refresh_token = '' } = await ask();
    assert.equal((await refresh(refresh_token)).status, 200);
    assert.equal((await postForm(one, { token: refresh_token }, '/service/token/revoke')).status, 200);
    assert.equal((await refresh(refresh_token)).status, 400);
  });

  await t.test('after a revocation of the keys both refuse the old tokens, and take new ones', async () => {
    const { token } = await ask();
    assert.equal(await statusOf(other, token), 200);
    const rotate = rotateSigningKey({ log, record, secrets: secretBox(secretKey), newSigningKey });
    await rotate({ now: new Date(), tokenLifetimeMs: 60_000, revoke: true }, { actor: 'system' });
    for (const server of [one, other])
      await until('the old token is void', async () => (await statusOf(server, token)) === 401);
    assert.equal(await statusOf(other, (await ask()).token), 200);
  });

  await t.test('after a change of the password both refuse the old tokens', async () => {
    const { token, refresh_token = '' } = await ask();
    assert.equal(await statusOf(other, token), 200);
    const change = { username: 'admin', userId: 1, password: 'An0therOne' };
    await changePassword({ record, hashPassword })(change, { actor: 'user:admin' });
    for (const server of [one, other])
      await until('the old token is void', async () => (await statusOf(server, token)) === 401);
    assert.equal((await refresh(refresh_token)).status, 400);
  });
});
