import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { passwordFile } from '../bin/password-file.ts';
import { type FirstStartPorts, firstStart } from '../commands/first-start.ts';
import { type Recorder, recorder } from '../commands/record.ts';
import { catalogue } from '../domain/catalogue.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { hashPassword, passwordMatches } from '../infra/password-hash/argon2.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';

interface Process {
  readonly ports: FirstStartPorts;
  readonly directory: string;
  /** What the password file says, undefined without one. */
  password(): Promise<string | undefined>;
}

/** A log of its own, and processes on it, each with a data directory of its own. */
async function start(t: TestContext) {
  const { connection } = await startPostgres(t);
  async function join_(): Promise<Process & { log: EventLog }> {
    const log = await openLog(JSON.stringify(connection()));
    t.after(() => log.close());
    const directory = await mkdtemp(join(tmpdir(), 'shiplog-first-start-'));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const path = join(directory, 'admin-password');
    const record = recorder({ log, catalogue, newEventId });
    return {
      log,
      directory,
      ports: { log, record, hashPassword, ...passwordFile(path) },
      password: async () =>
        (await readdir(directory)).includes('admin-password')
          ? (await readFile(path, 'utf8')).trim()
          : undefined,
    };
  }
  return { process: join_ };
}

const dataOf = async (log: EventLog, stream: string) =>
  (await log.readStream(stream)).events.map(({ data }) => data as Record<string, unknown>);

async function assertStarted(log: EventLog, password: string | undefined): Promise<void> {
  const [user, ...others] = await dataOf(log, 'user/admin');
  assert.equal(others.length, 0);
  const { passwordHash, ...admin } = user ?? {};
  assert.deepEqual(admin, {
    username: 'admin',
    userId: 1,
    administrator: true,
    emailKey: null,
    profile: null,
  });
  assert.ok(await passwordMatches(String(passwordHash), String(password)), `the password is not ${password}`);
  assert.deepEqual(await dataOf(log, 'project/library'), [
    { name: 'library', projectId: 1, public: true, owner: 'admin', storageLimit: null },
  ]);
  const entity = { entityType: 'user', entityId: 1, entityName: 'admin' };
  const membership = { memberId: 1, projectId: 1, project: 'library', ...entity };
  assert.deepEqual(await dataOf(log, 'member/1/1'), [{ ...membership, role: 'projectAdmin' }]);
  assert.equal(await log.head(), 3n);
}

/** Lets `count` decisions be recorded and then dies. */
const dyingAfter = (count: number, { ports }: Process): FirstStartPorts => {
  let left = count;
  const record = ((...given: Parameters<Recorder>) => {
    left -= 1;
    return left < 0 ? Promise.reject(new Error('killed')) : ports.record(...given);
  }) as Recorder;
  return { ...ports, record };
};

test('the first start makes an administrator and the public project library, and keeps the password for the owner', async (t) => {
  const { log, ports, password, directory } = await (await start(t)).process();
  const position = await firstStart(ports, undefined);

  assert.equal(position, await log.head());
  const kept = await password();
  assert.match(kept ?? '', /^[\w-]{24}$/);
  await assertStarted(log, kept);
  assert.equal((await stat(join(directory, 'admin-password'))).mode & 0o777, 0o600);
});

test('a second start changes nothing', async (t) => {
  const { log, ports, password } = await (await start(t)).process();
  const first = await firstStart(ports, undefined);
  const kept = await password();

  assert.equal((await firstStart(ports, undefined)) <= first, true);
  assert.equal((await firstStart(ports, 'configured later')) <= first, true);
  assert.equal(await password(), kept);
  await assertStarted(log, kept);
});

test('of processes that start at once one makes the administrator, and only its password is kept', async (t) => {
  const { process } = await start(t);
  const all = await Promise.all(Array.from({ length: 4 }, process));
  await Promise.all(all.map(({ ports }) => firstStart(ports, undefined)));

  const kept = (await Promise.all(all.map(({ password }) => password()))).filter(
    (each) => each !== undefined,
  );
  assert.equal(kept.length, 1);
  const [{ log } = assert.fail()] = all;
  await assertStarted(log, kept[0]);
});

test('after a crash between keeping the password and making the administrator, the kept password counts', async (t) => {
  const first = await (await start(t)).process();
  await assert.rejects(firstStart(dyingAfter(0, first), undefined), /killed/);
  const kept = await first.password();
  assert.notEqual(kept, undefined);
  assert.equal(await first.log.head(), 0n);

  await firstStart(first.ports, undefined);
  assert.equal(await first.password(), kept);
  await assertStarted(first.log, kept);
});

test('after a crash while the password was being written there is a new one', async (t) => {
  const first = await (await start(t)).process();
  await writeFile(join(first.directory, 'admin-password'), 'half a passw');

  await firstStart(first.ports, undefined);
  const kept = await first.password();
  assert.notEqual(kept, 'half a passw');
  await assertStarted(first.log, kept);
});

test('after a crash between the administrator and the project, the project is made and the password stays', async (t) => {
  const first = await (await start(t)).process();
  await assert.rejects(firstStart(dyingAfter(1, first), undefined), /killed/);
  const kept = await first.password();
  assert.equal(await first.log.head(), 1n);

  await firstStart(first.ports, undefined);
  assert.equal(await first.password(), kept);
  await assertStarted(first.log, kept);
});

test('a configured password is the administrator’s, and is written nowhere', async (t) => {
  const { log, ports, directory } = await (await start(t)).process();
  await firstStart(ports, 'as the operator likes');
  assert.deepEqual(await readdir(directory), []);
  await assertStarted(log, 'as the operator likes');
});

test('a password that a crash has left behind goes when the operator has configured one', async (t) => {
  const first = await (await start(t)).process();
  await assert.rejects(firstStart(dyingAfter(0, first), undefined), /killed/);
  assert.notEqual(await first.password(), undefined);

  await firstStart(first.ports, 'as the operator likes');
  assert.equal(await first.password(), undefined);
  await assertStarted(first.log, 'as the operator likes');
});
