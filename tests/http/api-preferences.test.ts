import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { preferencesStream } from '../../domain/preferences/events.ts';
import { queryPostgres } from '../faults/postgres-of.ts';
import { startServer } from '../server.ts';
import { ask, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';
import { eventsOf, openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
await createUser(server, 'alice');
await createUser(server, 'bob');

const path = '/users/current/preferences';
const put = (body: unknown, as = 'alice', headers: Record<string, string> = {}) =>
  ask(server, 'PUT', path, { as, body, headers });
const read = (as = 'alice') => ask(server, 'GET', path, { as });

test('preferences are kept as they came, each user his own', async () => {
  assert.deepEqual(json(await read('bob')), {});
  const document = {
    pins: ['team/app', 7, null, { deep: [true, 'ü\u0000\ud800'] }],
    views: { mine: { q: 'name=~x' } },
    columns: {},
    settings: 'dark',
  };
  const answer = await put(document);
  assert.equal(answer.status, 200);
  assert.deepEqual(json(await read()), document);
  assert.equal(header(await read(), 'etag'), header(answer, 'etag'));
  assert.deepEqual(json(await read('bob')), {});
  assert.equal((await put({ settings: { only: 'this' } })).status, 200);
  assert.deepEqual(json(await read()), { settings: { only: 'this' } });
  assert.equal((await put({})).status, 200);
  assert.deepEqual(json(await read()), {});
});

test('a key that is called like something of the language is kept like any other', async () => {
  const text = '{"settings":{"__proto__":{"a":1},"constructor":2}}';
  assert.equal((await put(text)).status, 200);
  assert.equal((await read()).body.toString(), text);
});

const nested = (levels: number) => `{"pins":${'['.repeat(levels)}${']'.repeat(levels)}}`;
const refused: readonly (readonly [string, unknown, number])[] = [
  ['a part that nobody knows', { pins: [], colours: [] }, 422],
  ['a list', '[]', 422],
  ['a text', '"x"', 422],
  ['no JSON', '{', 422],
  ['nothing', '', 422],
  ['more than 64 KiB', { pins: 'x'.repeat(64 * 1024) }, 413],
  ['more than 64 KiB in another alphabet', { pins: 'ü'.repeat(32 * 1024) }, 413],
  ['more than a body may have', { pins: 'x'.repeat(1024 * 1024) }, 413],
  ['17 levels', nested(17), 422],
  ['a hundred thousand levels', nested(100_000), 422],
];
for (const [fault, body, status] of refused) {
  test(`preferences with ${fault} are refused with ${status}, and change nothing`, async () => {
    await put({ settings: 'as before' });
    assert.equal((await put(body)).status, status);
    assert.deepEqual(json(await read()), { settings: 'as before' });
  });
}

test('preferences of 64 KiB and of 16 levels are kept', async () => {
  const text = JSON.stringify({ pins: 'x'.repeat(64 * 1024 - '{"pins":""}'.length) });
  for (const body of [text, nested(15)]) {
    assert.equal((await put(body)).status, 200);
    assert.equal((await read()).body.toString(), body);
  }
});

test('of two tabs the last one wins, unless it says what it has read', async () => {
  await createUser(server, 'tabs');
  const none = header(await read('tabs'), 'etag');
  const first = await put({ pins: ['a'] }, 'tabs', { 'if-match': none });
  assert.equal(first.status, 200);
  const late = await put({ pins: ['b'] }, 'tabs', { 'if-match': none });
  assert.deepEqual([late.status, faultOf(late).code], [412, 'PRECONDITION']);
  assert.deepEqual(json(await read('tabs')), { pins: ['a'] });
  // The same once more, as after a lost answer, is no conflict.
  assert.equal((await put({ pins: ['a'] }, 'tabs', { 'if-match': none })).status, 200);
  const tag = header(first, 'etag');
  for (const ifMatch of [`"other", ${tag}`, '*'])
    assert.equal((await put({ pins: [ifMatch] }, 'tabs', { 'if-match': ifMatch })).status, 200);
  for (const ifMatch of [`W/${tag}`, 'nonsense', ''])
    assert.equal((await put({ pins: ['c'] }, 'tabs', { 'if-match': ifMatch })).status, 412, ifMatch);
  assert.equal((await put({ pins: ['d'] }, 'tabs')).status, 200);
  assert.deepEqual(json(await read('tabs')), { pins: ['d'] });

  const tags = await read('tabs');
  const both = await Promise.all(
    ['e', 'f'].map((pin) => put({ pins: [pin] }, 'tabs', { 'if-match': header(tags, 'etag') })),
  );
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 412]);
});

test('what somebody reads is in no event that others can read, and what has not changed is recorded once', async () => {
  const userId = await createUser(server, 'private');
  for (let times = 0; times < 3; times += 1) await put({ pins: ['secret-project/app'] }, 'private');
  const events = await eventsOf(log, preferencesStream(userId));
  assert.equal(events.length, 1);
  assert.ok(!JSON.stringify(events.map(({ data }) => data)).includes('secret-project'));
  assert.ok(!JSON.stringify(server.lines).includes('secret-project'));
});

test('a user who is deleted takes them along, and the next one of the name has none', async () => {
  const userId = await createUser(server, 'leaver');
  await put({ pins: ['x'] }, 'leaver');
  assert.equal((await ask(server, 'DELETE', `/users/${userId}`)).status, 200);
  const keys = `SELECT user_id FROM secrets.user_keys WHERE user_id = ${userId}`;
  assert.deepEqual(await queryPostgres(server.dataDirectory, 'shiplog_views', keys), []);
  await createUser(server, 'leaver');
  assert.deepEqual(json(await read('leaver')), {});
});

test('who is nobody has no preferences, and neither has a robot account', async () => {
  for (const method of ['GET', 'PUT'])
    assert.equal((await ask(server, method, path, { as: '', body: {} })).status, 401);
  const access = [{ resource: 'user', action: 'list' }];
  const body = {
    name: 'ci',
    level: 'system',
    duration: -1,
    permissions: [{ kind: 'system', namespace: '/', access }],
  };
  const robot = json(await ask(server, 'POST', '/robots', { body }));
  const as = `${robot.name}:${robot.secret}`;
  assert.equal((await read(as)).status, 412);
  assert.equal((await put({}, as)).status, 412);
});
