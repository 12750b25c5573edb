import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { ask, createdId, createUser, personOf } from './api-client.ts';
import { mediaTypes, pushImage, refusalOf, send } from './client.ts';
import { eventsOf, openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
const userId = await createUser(server, 'dev');

/** As a client sends them that knows no other than single-byte headers. */
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1');

const change = (reason: string) =>
  ask(server, 'PUT', `/users/${userId}/sysadmin`, {
    body: { sysadmin_flag: false },
    headers: { 'X-Shiplog-Reason': reason },
  });

test('any change can say why, in any language, and the log keeps it with the change', async () => {
  const reason = 'Joined the team – größer als gedacht';
  const headers = { 'content-type': 'application/json', 'X-Shiplog-Reason': bytesOf(reason) };
  const body = Buffer.from(JSON.stringify(personOf('joiner')));
  createdId(await send(server, 'POST', '/api/v2.0/users', { body, headers }));
  const [created] = await eventsOf(log, 'user/joiner');
  assert.deepEqual([created?.type, created?.metadata.reason], ['UserCreated', reason]);
});

test('a push can say why', async () => {
  const { manifest } = await pushImage(server, 'library/app', 'v1');
  const pushed = await send(server, 'PUT', '/v2/library/app/manifests/v2', {
    body: manifest,
    headers: { 'content-type': mediaTypes.image, 'X-Shiplog-Reason': 'the second name' },
  });
  assert.equal(pushed.status, 201);
  const [assigned] = await eventsOf(log, 'tag/library/app:v2');
  assert.equal(assigned?.metadata.reason, 'the second name');
});

test('a reason that is too long or holds what no one can see is refused, and nothing is changed', async () => {
  for (const reason of ['x'.repeat(1001), 'a\tb'])
    assert.deepEqual(refusalOf(await change(reason)), [400, 'BAD_REQUEST'], reason.slice(0, 10));
  assert.equal((await change(`  ${'x'.repeat(1000)}  `)).status, 200);
  assert.equal((await change('')).status, 200);
});
