import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { catalogue } from '../domain/catalogue.ts';
import type { RecordedEvent } from '../domain/event.ts';
import { aloneIn } from '../infra/database/alone.ts';
import { connectDatabase } from '../infra/database/connect.ts';
import { openPostgresLog } from '../infra/event-log/postgres.ts';
import { type FollowPorts, keepFollowing } from '../workers/follow-log.ts';
import { anEvent, someEvents } from './contracts/event-log-samples.ts';
import { type Script, startScript } from './contracts/script.ts';
import { startPostgres } from './postgres.ts';
import { until } from './until.ts';

async function start(t: TestContext) {
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 6, waitMs: 30_000 });
  const log = await openPostgresLog(database);
  t.after(async () => {
    await log.close();
    await database.close();
  });
  const append = (count: number) => log.append('tag/library/a:1', 'any', someEvents(count));
  const follow = (ports: Pick<FollowPorts, 'take'> & Partial<FollowPorts>) => {
    const alone = aloneIn(database, 'a test');
    const following = keepFollowing({
      ...{ log, catalogue, alone, begin: async () => 0n, onFailure: assert.fail },
      ...ports,
    });
    t.after(() => following.stop());
    return following;
  };
  return { connection, append, follow, log };
}

test('what follows the log goes on in another process when its process is killed, at what was not taken', async (t) => {
  const { connection, append } = await start(t);
  await append(3);
  const run = () => startScript(t, 'follow-log.ts', [JSON.stringify(connection())]);
  const first = run();
  assert.equal(await first.line(), '1');
  const second = run();
  first.process.stdin?.write('\n');
  assert.equal(await first.line(), '2');

  // It may have acted on the second event and cannot say so any more.
  await first.kill();

  assert.equal(await take(second), '2');
  assert.equal(await take(second), '3');
  await append(1);
  assert.equal(await take(second), '4');
});

async function take(script: Script): Promise<string> {
  const line = await script.line();
  script.process.stdin?.write('\n');
  return line;
}

test('a failure is reported, and the same events come again after a pause', async (t) => {
  const { append, follow } = await start(t);
  await append(2);
  const taken: bigint[] = [];
  const failures: unknown[] = [];
  const positionsOf = (events: readonly RecordedEvent[]) => events.map(({ position }) => position);
  const following = follow({
    begin: async () => taken.at(-1) ?? 0n,
    async take(events) {
      if (failures.length < 2) throw new Error('not now');
      taken.push(...positionsOf(events));
    },
    onFailure: (error) => failures.push(error),
  });

  await until('all is taken', () => taken.length === 2);
  assert.equal(failures.length, 2);
  await until('it says so', () => following.position() === 2n);
  await append(1);
  await until('what comes later is taken too', () => taken.length === 3);
  assert.deepEqual(taken, [1n, 2n, 3n]);
});

test('one of two follows, the other takes over when that one is stopped, and what is under way is finished', async (t) => {
  const { append, follow } = await start(t);
  await append(1);
  const taken: string[] = [];
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  let isHeld = false;
  const takeAs = (name: string) => async (events: readonly RecordedEvent[]) => {
    isHeld = true;
    if (name === 'first') await held;
    taken.push(...events.map(({ position }) => `${name} ${position}`));
  };
  const begin = async () => BigInt(taken.length);
  const first = follow({ begin, take: takeAs('first') });
  await until('the first one is at it', () => isHeld);
  const second = follow({ begin, take: takeAs('second') });

  const stopped = first.stop();
  assert.equal(second.position(), undefined);
  letGo();
  await stopped;
  assert.deepEqual(taken, ['first 1']);
  await append(1);
  await until('the second one goes on', () => taken.length === 2);
  assert.deepEqual(taken, ['first 1', 'second 2']);
});

test('events come in the current version of their type', async (t) => {
  const { follow, log } = await start(t);
  const data = { memberId: 1, project: 'library', projectId: 1, userId: 3, username: 'ann', role: 'guest' };
  await log.append('member/1/3', 'none', [{ ...anEvent(data), type: 'MemberAdded', version: 1 }]);
  const taken: RecordedEvent[] = [];
  follow({ take: async (events) => void taken.push(...events) });
  await until('it is taken', () => taken.length === 1);
  assert.ok((taken[0]?.version ?? 0) > 1);
});
