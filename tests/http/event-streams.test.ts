import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { newEventId } from '../../infra/event-log/ids.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, api, ask, createdId, createProject, createUser, json, password } from './api-client.ts';
import { pushImage } from './client.ts';
import { followEvents } from './event-client.ts';
import { openLogOf } from './server-log.ts';

const server = await startServer(
  { after },
  {
    environment: {
      SHIPLOG_EVENTS_HEARTBEAT_SECONDS: '1',
      SHIPLOG_EVENTS_MAX_STREAMS_PER_ACCOUNT: '3',
    },
  },
);
await createProject(server, 'closed');
const userIds = new Map<string, number>();
for (const name of ['member', 'leaver', 'watcher']) userIds.set(name, await createUser(server, name));
await addMember(server, 'closed', 'member', 'developer');
await addMember(server, 'closed', 'watcher', 'guest');
const log = await openLogOf({ after }, server);
let pushes = 0;
/** One event of a tag for each. */
const push = async (repository = 'closed/app') =>
  pushImage(server, repository, `v${pushes}`, `image ${pushes++}`);

test('a stream begins now, and tells what happens as it happens, each event in one line', async (t) => {
  const stream = await followEvents(t, server, '?type=tag.*');
  assert.equal(stream.answer.statusCode, 200);
  assert.match(String(stream.answer.headers['content-type']), /^text\/event-stream/);
  assert.equal(stream.answer.headers['cache-control'], 'no-store');
  await push();
  await stream.has(1);
  const [event] = stream.events;
  assert.equal(event?.event, 'tag.assigned');
  assert.equal(event?.data.type, 'io.shiplog.tag.assigned');
  assert.equal(event?.id, String(BigInt(event?.data.sequence)));
  const listed = json(await ask(server, 'GET', `/events?from=${event?.id}&limit=1`)).events[0];
  assert.deepEqual(event?.data, listed);
});

test('a stream goes on where a client has left, whatever came meanwhile', async (t) => {
  const first = await followEvents(t, server, '?type=tag.*');
  await push();
  await first.has(1);
  first.close();
  await push();
  await push();
  const second = await followEvents(t, server, '?type=tag.*', { lastEventId: first.lastId() });
  await second.has(2);
  await push();
  await second.has(3);
  const positions = [...first.events, ...second.events].map(({ id }) => BigInt(id));
  const listed = json(await ask(server, 'GET', `/events?type=tag.*&from=${positions[0]}&limit=100`)).events;
  assert.deepEqual(
    positions,
    listed.map(({ sequence }: { sequence: string }) => BigInt(sequence)),
  );
});

test('who goes on after somebody was erased is told no name that was in memory', async (t) => {
  const name = 'ada-of-lovelace';
  const userId = await createUser(server, name);
  const first = await followEvents(t, server, '?type=project.created');
  await createProject(server, 'before');
  await first.has(1);
  const from = first.lastId();
  const body = { project_name: 'by-ada', metadata: { public: 'false' } };
  createdId(await ask(server, 'POST', '/projects', { as: name, body }));
  await first.has(2);
  assert.equal(first.events[1]?.data.actor, name);
  first.close();
  assert.equal((await ask(server, 'POST', `/users/${userId}/erasure`)).status, 202);
  await until('the user is erased', async () => {
    return json(await ask(server, 'GET', `/users/${userId}/erasure`)).status === 'Success';
  });
  const second = await followEvents(t, server, '?type=project.created', { lastEventId: from });
  await second.has(1);
  assert.equal(second.events[0]?.data.actor, `erased-${userId}`);
});

test('whoever comes and goes while others push misses nothing and gets nothing twice', async (t) => {
  const start = await followEvents(t, server, '?type=tag.*');
  await until('it begins', () => start.lastId() !== '');
  const from = start.lastId();
  start.close();
  const pushing = Promise.all(
    Array.from({ length: 4 }, async (_, lane) => {
      for (let n = 0; n < 8; n++) await push(`closed/lane${lane}`);
    }),
  );
  const seen: string[] = [];
  let last = from;
  while (seen.length < 32) {
    const stream = await followEvents(t, server, '?type=tag.*', { as: 'member', lastEventId: last });
    await stream.has(1);
    stream.close();
    seen.push(...stream.events.map(({ data }) => data.id));
    last = stream.lastId();
  }
  await pushing;
  const listed = json(await ask(server, 'GET', `/events?type=tag.*&after=${from}&limit=100`)).events;
  assert.deepEqual(
    seen,
    listed.map(({ id }: { id: string }) => id),
  );
});

test('who is told nothing hears that the stream lives, and how far it is', async (t) => {
  const stream = await followEvents(t, server, '?type=user.deleted');
  await until('it begins', () => stream.checkpoints.length > 0);
  await until('there is a heartbeat', () => stream.comments.length > 0);
  const before = BigInt(stream.lastId());
  await push();
  await until('it is further', () => BigInt(stream.lastId()) > before);
  assert.deepEqual(stream.events, []);
});

test('a position that this log has never been at is refused, and so is what is no position', async (t) => {
  for (const lastEventId of ['99999999999', 'abc', '-1', '1.5']) {
    const stream = await followEvents(t, server, '', { lastEventId });
    assert.equal(stream.answer.statusCode, 400, lastEventId);
  }
  for (const query of ['?order=desc', '?to=3', '?filter=nonsense'])
    assert.equal((await followEvents(t, server, query)).answer.statusCode, 400, query);
});

test('an account has no more streams at a time than it may, and gets a place back when it leaves', async (t) => {
  const open = () => followEvents(t, server, '', { as: 'watcher' });
  const streams = [await open(), await open(), await open()];
  const refused = await open();
  assert.equal(refused.answer.statusCode, 429);
  assert.ok(Number(refused.answer.headers['retry-after']) > 0);
  const other = await followEvents(t, server, '', { as: 'member' });
  assert.equal(other.answer.statusCode, 200);
  for (const stream of [...streams, other]) stream.close();
  await until('there is a place again', async () => {
    const again = await open();
    again.close();
    return again.answer.statusCode === 200;
  });
});

test('who leaves at once, without an answer, takes no place with him', async () => {
  const { hostname, port } = new URL(server.url);
  const authorization = `Basic ${Buffer.from(`watcher:${password}`).toString('base64')}`;
  const leave = async (accept: string, query: string, ms: number) => {
    const socket = connect(Number(port), hostname).on('error', () => undefined);
    const headers = `host: registry\r\nauthorization: ${authorization}\r\naccept: ${accept}\r\n`;
    await new Promise((resolve) =>
      socket.write(`GET ${api}/events${query} HTTP/1.1\r\n${headers}\r\n`, resolve),
    );
    await pause(ms);
    socket.destroy();
  };
  for (const [accept, query] of [
    ['text/event-stream', ''],
    ['application/json', '?wait=60&type=user.deleted'],
  ] as const)
    for (const ms of [0, 1, 2, 4, 8, 16, 32]) await leave(accept, query, ms);
  await until('there is a place', async () => {
    const answer = await ask(server, 'GET', '/events?wait=1&type=user.deleted', { as: 'watcher' });
    return answer.status === 200;
  });
});

test('who is removed from a project is told nothing that comes after it', async (t) => {
  await createProject(server, 'left');
  const memberId = await addMember(server, 'left', 'leaver', 'guest');
  const stream = await followEvents(t, server, '?project=left', { as: 'leaver' });
  await push('left/app');
  await stream.has(2);
  assert.equal((await ask(server, 'DELETE', `/projects/left/members/${memberId}`)).status, 200);
  const witness = await followEvents(t, server, '?project=left');
  await push('left/app');
  await witness.has(2);
  await until('the stream is further', () => BigInt(stream.lastId()) >= BigInt(witness.lastId()));
  assert.equal(stream.events.length, 2);
  assert.equal(stream.hasEnded(), false);
});

test('who becomes a member is told what happens from then on', async (t) => {
  await createProject(server, 'joined');
  const stream = await followEvents(t, server, '?project=joined&type=tag.*', { as: 'leaver' });
  await push('joined/app');
  await addMember(server, 'joined', 'leaver', 'guest');
  await push('joined/app');
  await stream.has(1);
  assert.equal(stream.events[0]?.data.tag, `v${pushes - 1}`);
});

test('a stream ends with the account, the password or the token by which it was opened', async (t) => {
  const endings: readonly [string, () => Promise<{ as: string; end: () => Promise<unknown> }>][] = [
    [
      'a user who is deleted',
      async () => {
        const id = await createUser(server, 'goes');
        return { as: 'goes', end: () => ask(server, 'DELETE', `/users/${id}`) };
      },
    ],
    [
      'a user with another password',
      async () => {
        const id = await createUser(server, 'changes');
        const body = { old_password: password, new_password: 'An0ther-of-a-test' };
        return {
          as: 'changes',
          end: () => ask(server, 'PUT', `/users/${id}/password`, { as: 'changes', body }),
        };
      },
    ],
    [
      'a token that is revoked',
      async () => {
        const made = await ask(server, 'POST', '/users/current/tokens', {
          as: 'member',
          body: { name: 'x', duration: 1 },
        });
        const { id, token } = json(made);
        return {
          as: `member:${token}`,
          end: () => ask(server, 'DELETE', `/users/current/tokens/${id}`, { as: 'member' }),
        };
      },
    ],
    [
      'a robot that is disabled',
      async () => {
        const access = [{ resource: 'repository', action: 'pull' }];
        const body = {
          ...{ name: 'watcher', level: 'project', duration: -1, disable: false, description: '' },
          permissions: [{ kind: 'project', namespace: 'closed', access }],
        };
        const made = await ask(server, 'POST', '/robots', { body });
        const [id, { name, secret }] = [createdId(made), json(made)];
        const changed = { ...body, name, id, disable: true };
        return { as: `${name}:${secret}`, end: () => ask(server, 'PUT', `/robots/${id}`, { body: changed }) };
      },
    ],
  ];
  for (const [what, begin] of endings) {
    const { as, end } = await begin();
    const stream = await followEvents(t, server, '?project=closed', { as });
    assert.equal(stream.answer.statusCode, 200, what);
    await until('it begins', () => stream.checkpoints.length > 0);
    assert.equal(stream.hasEnded(), false, what);
    await end();
    await until(`the stream of ${what} ends`, () => stream.hasEnded());
  }
});

test('a reader who takes nothing holds up nobody, and gets all when he takes it', async (t) => {
  const slow = await followEvents(t, server, '?type=repository.described');
  const quick = await followEvents(t, server, '?type=repository.described');
  await until('both begin', () => slow.checkpoints.length > 0 && quick.checkpoints.length > 0);
  slow.answer.pause();
  const [batches, each] = [60, 50];
  const description = 'x'.repeat(20_000);
  for (let batch = 0; batch < batches; batch++)
    await log.append(
      'repository/closed/described',
      'any',
      Array.from({ length: each }, () => ({
        id: newEventId(),
        type: 'RepositoryDescribed',
        version: 1,
        data: { repository: 'closed/described', repositoryId: 1, description },
        metadata: { actor: 'user:admin' },
      })),
    );
  await quick.has(batches * each);
  assert.ok(slow.events.length < batches * each);
  slow.answer.resume();
  await slow.has(batches * each);
  assert.deepEqual(
    slow.events.map(({ id }) => id),
    quick.events.map(({ id }) => id),
  );
});

test('streams end when the server stops, which does not wait for them, and go on with the next one', async (t) => {
  const stream = await followEvents(t, server, '?type=tag.*');
  await push();
  await stream.has(1);
  assert.equal(await server.stop(), 0);
  await until('the stream has ended', () => stream.hasEnded());
  await server.start();
  await push();
  const next = await followEvents(t, server, '?type=tag.*', { lastEventId: stream.lastId() });
  await next.has(1);
  assert.equal(next.events[0]?.data.tag, `v${pushes - 1}`);
});
