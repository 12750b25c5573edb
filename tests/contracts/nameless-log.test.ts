import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { initialAdministrator } from '../../domain/user/mentions.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { type EventLog, type NewEvent, RevisionConflict } from '../../infra/event-log/port.ts';
import { type NatsServer, startNatsServer } from '../nats-server.ts';
import { startPostgres } from '../postgres.ts';
import { findTools, requireTool } from '../tool.ts';
import { type NamelessArgument, openNameless } from './event-log-nameless-client.ts';
import { readWhole } from './event-log-samples.ts';

const event = (type: string, data: object, actor = 'system', version = 1): NewEvent => ({
  ...{ id: newEventId(), type, version, data, metadata: { actor } },
});
const created = (username: string, userId: number): NewEvent =>
  event(
    'UserCreated',
    { username, userId, administrator: false, passwordHash: '', emailKey: null, profile: null },
    'system',
    2,
  );
const textOf = (events: unknown): string =>
  JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? String(value) : value));
const actors = async (log: EventLog) => (await readWhole(log)).map(({ metadata }) => metadata.actor);

let nats: Promise<NatsServer> | undefined;
after(async () => (await nats)?.stop());

async function onPostgres(t: TestContext): Promise<NamelessArgument> {
  const names = (await startPostgres(t)).connection();
  return { engine: 'postgres', log: JSON.stringify(names), names };
}
async function onJetStream(t: TestContext): Promise<NamelessArgument | undefined> {
  const program = findTools('nats-server').at(0);
  if (program === undefined) {
    requireTool(t, 'nats-server');
    return undefined;
  }
  nats ??= startNatsServer(program);
  const log = JSON.stringify({
    ...{ servers: [`127.0.0.1:${(await nats).port}`], streamName: `log-${randomUUID()}` },
  });
  return { engine: 'jetstream', log, names: (await startPostgres(t)).connection() };
}

for (const [engine, argumentFor] of [
  ['postgres', onPostgres],
  ['jetstream', onJetStream],
] as const) {
  const rule = (
    sentence: string,
    check: (open: () => ReturnType<typeof openNameless>, argument: NamelessArgument) => Promise<void>,
  ) =>
    test(`${engine}: ${sentence}`, { timeout: 60_000 }, async (t) => {
      const argument = await argumentFor(t);
      if (argument === undefined) return;
      const opened: Awaited<ReturnType<typeof openNameless>>[] = [];
      try {
        await check(async () => {
          const one = await openNameless(argument);
          opened.push(one);
          return one;
        }, argument);
      } finally {
        await Promise.all(opened.map(({ log }) => log.close()));
      }
    });

  rule('no name is recorded, and every name is read, in whatever field and stream it was', async (open) => {
    const { log, engine: raw } = await open();
    await log.append('user/jane', 'none', [created('jane', 3)]);
    const subject = { kind: 'user', id: 3, name: 'jane', credentialVersion: 0 };
    const given = [
      event('LoginSucceeded', { kind: 'user', username: 'jane' }, 'user:jane'),
      event('LoginFailed', { kind: 'user', username: 'who-is-nobody' }, 'anonymous'),
      event('LoginFailed', { kind: 'robot', username: 'a-robot' }, 'robot:a-robot'),
      event('ProjectCreated', { name: 'team', owner: 'jane' }, 'user:jane', 2),
      event('MemberAdded', { entityType: 'user', entityId: 3, entityName: 'jane' }, 'user:admin', 2),
      event('MemberAdded', { entityType: 'group', entityId: 3, entityName: 'a-group' }, 'user:admin', 2),
      event('RefreshTokenIssued', { tokenHash: 'x', subject }, 'user:jane'),
      event('ChangeRefused', { change: 'delete_user', resource: 'jane', status: 403 }, 'user:jane'),
      event('ChangeRefused', { change: 'update_project', resource: 'a-project', status: 403 }, 'user:jane'),
    ];
    await log.append('test/all', 'none', given);
    const recorded = await readWhole(raw);
    assert.doesNotMatch(textOf(recorded), /jane|who-is-nobody/);
    for (const name of ['a-robot', 'a-group', 'a-project', 'user:admin'])
      assert.ok(textOf(recorded).includes(name), name);
    const read = await readWhole(log);
    assert.deepEqual(
      read.slice(1).map(({ type, data, metadata }) => ({ type, data, metadata })),
      given.map(({ type, data, metadata }) => ({ type, data, metadata })),
    );
    const own = await log.readStream('user/jane');
    assert.deepEqual([own.events[0]?.stream, read[0]?.stream, own.revision], ['user/jane', 'user/jane', 0n]);
    await assert.rejects(
      log.append('user/jane', 'none', [created('jane', 4)]),
      (error) => error instanceof RevisionConflict && error.stream === 'user/jane',
    );
  });

  rule('a text that looks like the place of a name stays what it is', async (open) => {
    const { log } = await open();
    await log.append('user/jane', 'none', [created('jane', 3)]);
    const texts = ['{"user":3}', 'user#3', '#3', '3', 'erased-x', '[object Object]', 'h\u0000\ud800'];
    const given = texts.map((username) => event('LoginFailed', { kind: 'user', username }, 'anonymous'));
    await log.append('logins/x', 'none', given.slice(0, -1));
    assert.deepEqual(
      (await log.readStream('logins/x')).events.map(({ data }) => data),
      given.slice(0, -1).map(({ data }) => data),
    );
  });

  rule(
    'who is erased is called so in every process, and so is who is named afterwards or was before',
    async (open) => {
      const [one, other] = [await open(), await open()];
      const failed = () => event('LoginFailed', { kind: 'user', username: 'jane' }, 'anonymous');
      await one.log.append('logins/x', 'any', [failed()]);
      await one.log.append('user/jane', 'none', [created('jane', 3)]);
      await one.log.append('test/1', 'any', [event('TagMoved', {}, 'user:jane')]);
      assert.equal((await actors(other.log)).at(-1), 'user:jane');
      await one.names.erase(3);
      await sleep(one.names.staleMs * 1.25);
      for (const { log } of [one, other]) {
        assert.doesNotMatch(textOf(await readWhole(log)), /jane/);
        assert.equal((await actors(log)).at(-1), 'user:erased-3');
      }
      await other.log.append('test/1', 'any', [event('TagMoved', {}, 'user:jane'), failed()]);
      assert.doesNotMatch(textOf(await readWhole(one.log)), /jane/);
      assert.doesNotMatch(textOf(await readWhole(one.engine)), /jane/);
      assert.equal((await one.log.readStream('user/erased-3')).revision, 0n);
    },
  );

  rule('a name that is given again is that of the new bearer, in every process at once', async (open) => {
    const [one, other] = [await open(), await open()];
    const acts = (log: EventLog) => log.append('test/1', 'any', [event('TagMoved', {}, 'user:jane')]);
    const deleted = event('UserDeleted', { username: 'jane', userId: 3 });
    await one.log.append('user/jane', 'none', [created('jane', 3), deleted]);
    await acts(other.log);
    await one.log.append('user/jane', 1n, [created('jane', 7)]);
    await acts(other.log);
    await acts(one.log);
    await one.names.erase(3);
    await sleep(one.names.staleMs * 1.25);
    assert.deepEqual((await actors(other.log)).slice(-4), [
      ...['user:erased-3', 'system', 'user:jane', 'user:jane'],
    ]);
  });

  rule('of two who are created with one name at once the one who comes to be has it', async (open) => {
    const [one, other] = [await open(), await open()];
    const outcomes = await Promise.allSettled([
      one.log.append('user/jane', 'none', [created('jane', 4)]),
      other.log.append('user/jane', 'none', [created('jane', 3)]),
    ]);
    assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
    const winner = outcomes[0]?.status === 'fulfilled' ? 4 : 3;
    await one.log.append('test/1', 'any', [event('TagMoved', {}, 'user:jane')]);
    await one.names.erase(winner);
    assert.deepEqual(await actors(one.log), ['system', `user:erased-${winner}`]);
  });

  rule('of a creation that is refused behind an e-mail address no name is kept', async (open) => {
    const { log, names } = await open();
    await log.append('user/jane', 'none', [created('jane', 3)]);
    const reserved = event('EmailReserved', { emailKey: 'x', userId: 4, username: 'jane' });
    await assert.rejects(
      log.appendMany([
        { stream: 'email/x', expectedRevision: 'none', events: [reserved] },
        { stream: 'user/jane', expectedRevision: 'none', events: [created('jane', 4)] },
      ]),
      RevisionConflict,
    );
    assert.deepEqual([...(await names.of([3, 4])).keys()], [3]);
    await names.erase(3);
    assert.doesNotMatch(textOf(await readWhole(log)), /jane/);
  });

  rule(
    'what was recorded with names is read, goes on, and its users are erased from what is read',
    async (open) => {
      const { log, engine: raw, names } = await open();
      const old = created('jane', 3);
      await raw.append('user/jane', 'none', [old]);
      await raw.append('test/1', 'any', [event('TagMoved', {}, 'user:jane')]);
      assert.deepEqual(await actors(log), ['system', 'user:jane']);
      const { events, revision } = await log.readStream('user/jane');
      assert.deepEqual([events[0]?.data, revision], [old.data, 0n]);
      await log.append('user/jane', 0n, [event('UserDeleted', { username: 'jane', userId: 3 }, 'user:jane')]);
      assert.equal((await log.readStream('user/jane')).revision, 1n);
      const last = (await readWhole(raw)).at(-1);
      assert.doesNotMatch(textOf([last?.data, last?.metadata]), /jane/);
      await names.erase(3);
      assert.deepEqual(await actors(log), ['system', 'user:erased-3', 'user:erased-3']);
      assert.match(textOf((await readWhole(log)).map(({ data }) => data)), /erased-3/);
    },
  );
}

test('where the names are lost everybody is as if erased, but for the first administrator, and new users have names', async (t) => {
  const argument = await onPostgres(t);
  const { log, names } = await openNameless(argument);
  const { username, userId } = initialAdministrator;
  await log.append('user/admin', 'none', [created(username, userId)]);
  await log.append('user/jane', 'none', [created('jane', 3)]);
  await log.close();
  const { default: pg } = await import('pg');
  const client = new pg.Client(argument.names);
  await client.connect();
  await client.query('DROP SCHEMA secrets CASCADE');
  await client.end();
  assert.equal(names.hasErased(), false);
  const again = await openNameless(argument);
  try {
    await again.log.append('user/mike', 'none', [created('mike', 4)]);
    assert.deepEqual(
      (await readWhole(again.log)).map(({ data }) => (data as { username: string }).username),
      ['admin', 'erased-3', 'mike'],
    );
  } finally {
    await again.log.close();
  }
});
