import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { emailKeyOf } from '../../commands/email.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { refusalOf, send } from './client.ts';
import { peopleOf } from './people.ts';
import { openLogOf, type PlainEvent } from './server-log.ts';
import { askToken, bearer } from './token-client.ts';

const service = 'harbor-registry';
const secretKey = 'a secret key of the tests';

async function loginsIn(log: EventLog): Promise<PlainEvent[]> {
  const found: PlainEvent[] = [];
  for await (const events of log.readAll(0n))
    for (const event of events) if (event.stream.startsWith('logins/')) found.push(event as PlainEvent);
  return found;
}

async function start(t: TestContext) {
  const server = await startServer(t, { environment: { SHIPLOG_SECRET_KEY: secretKey } });
  const log = await openLogOf(t, server);
  const logins = () => loginsIn(log);
  return { server, logins };
}

test('logins and failed ones are recorded, with who it was and from where, and never with a password', async (t) => {
  const { server, logins } = await start(t);
  await askToken(server);
  const query = `/service/token?service=${service}`;
  await send(server, 'GET', query, { as: 'admin:wr0ng', headers: { 'user-agent': 'test/1.0' } });
  await send(server, 'GET', query, { as: 'nobody:wr0ng' });
  await send(server, 'GET', '/v2/', { as: 'robot$ci:wr0ng' });
  await send(server, 'GET', '/v2/', { as: `${'n'.repeat(2000)}:wr0ng` });
  await send(server, 'GET', '/v2/', { as: 'jane.doe@example.com:wr0ng' });
  await until('all are recorded', async () => (await logins()).length >= 6);

  const events = await logins();
  assert.deepEqual(
    events.map(({ type, data, metadata }) => [type, data.kind, data.username, metadata.actor]),
    [
      ['LoginSucceeded', 'user', 'admin', 'user:admin'],
      ['LoginFailed', 'user', 'admin', 'anonymous'],
      ['LoginFailed', 'user', 'nobody', 'anonymous'],
      ['LoginFailed', 'robot', 'robot$ci', 'anonymous'],
      ['LoginFailed', 'user', 'n'.repeat(255), 'anonymous'],
      ['LoginFailed', 'user', '*@example.com', 'anonymous'],
    ],
  );
  assert.deepEqual([events[1]?.metadata.clientIp, events[1]?.metadata.userAgent], ['127.0.0.1', 'test/1.0']);
  assert.doesNotMatch(
    JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
    /wr0ng|jane/,
  );
});

test('a request that repeats a password that was just right is no other login', async (t) => {
  const { server, logins } = await start(t);
  for (let n = 0; n < 5; n += 1) assert.equal((await send(server, 'GET', '/v2/')).status, 200);
  await send(server, 'GET', '/v2/', { as: 'nobody:wrong' });
  await until('the last one is recorded', async () => (await logins()).length >= 2);
  assert.deepEqual(
    (await logins()).map(({ type }) => type),
    ['LoginSucceeded', 'LoginFailed'],
  );
});

test('what was to be recorded in the background is there after a stop', async (t) => {
  const { server } = await start(t);
  const guess = (n: number) => send(server, 'GET', '/v2/', { as: `nobody${n}:wrong` });
  await Promise.all(Array.from({ length: 20 }, (_, n) => guess(n)));
  await server.stop();
  await server.start();
  const failed = (await loginsIn(await openLogOf(t, server))).filter(({ type }) => type === 'LoginFailed');
  assert.equal(failed.length, 20);
});

test('who guesses is answered 429 with the seconds to wait, and who has shown the password before is not', async (t) => {
  const { server } = await start(t);
  const people = await peopleOf(t, server);
  const { as } = await people.user('jane', 'Passw0rd');
  const { token } = await askToken(server, { as });
  const guesses = await Promise.all(
    Array.from({ length: 40 }, (_, n) => send(server, 'GET', '/v2/', { as: `jane:guess${n}` })),
  );
  const refused = guesses.filter(({ status }) => status === 429);
  assert.ok(refused.length >= 15, `${refused.length} were refused`);
  for (const answer of refused) {
    assert.deepEqual(refusalOf(answer), [429, 'TOOMANYREQUESTS']);
    assert.match(answer.headers['retry-after'] ?? '', /^\d+$/);
  }
  assert.equal((await send(server, 'GET', '/v2/', { as })).status, 200);
  assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);
  assert.equal((await send(server, 'GET', '/v2/')).status, 200);
});

test('a user logs in with the e-mail address in any case of its letters, and gets a token in his name', async (t) => {
  const { server } = await start(t);
  const people = await peopleOf(t, server);
  const emailKey = emailKeyOf(secretBox(secretKey), 'jane@example.com');
  await people.user('jane', 'Passw0rd', { emailKey });
  for (const email of ['jane@example.com', 'Jane@Example.com']) {
    const { token } = await askToken(server, { as: `${email}:Passw0rd` });
    assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);
    assert.equal(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).sub, 'jane');
  }
  assert.equal((await send(server, 'GET', '/v2/', { as: 'joe@example.com:Passw0rd' })).status, 401);
});

test('the prefix of robots is as configured', async (t) => {
  const server = await startServer(t, { environment: { SHIPLOG_ROBOT_NAME_PREFIX: 'bot-' } });
  const people = await peopleOf(t, server, 'bot-');
  const { as } = await people.robot('ci', 'S3cretOfIt', []);
  assert.equal((await send(server, 'GET', '/v2/', { as })).status, 200);
  assert.equal((await send(server, 'GET', '/v2/', { as: 'robot$ci:S3cretOfIt' })).status, 401);
});

test('a user whose name begins as those of robots do logs in, unless a robot has that name', async (t) => {
  const server = await startServer(t, { environment: { SHIPLOG_ROBOT_NAME_PREFIX: 'bot-' } });
  const people = await peopleOf(t, server, 'bot-');
  const { as } = await people.user('bot-herder', 'Passw0rd');
  const { token } = await askToken(server, { as });
  assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);

  await people.robot('herder', 'S3cretOfIt', []);
  assert.equal((await send(server, 'GET', '/v2/', { as })).status, 401);
});
