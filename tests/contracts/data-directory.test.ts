import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DataDirectoryUnusable, holdDataDirectory } from '../../infra/data-directory/data-directory.ts';
import { DataDirectoryHeld, type Hold, type Holder } from '../../infra/data-directory/hold.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { startScript } from './script.ts';

async function hold(t: TestContext, directory: string, description = 'http://localhost:8080'): Promise<Hold> {
  const taken = await holdDataDirectory(directory, { description });
  t.after(() => taken.release());
  return taken;
}

/** Leaves behind what a holder leaves that is killed, changed by `change`. */
async function abandonedHold(t: TestContext, directory: string, change: Partial<Holder>): Promise<string> {
  const taken = await hold(t, directory);
  const name = (await readdir(directory)).find((entry) => entry.startsWith('held-by.'));
  assert.ok(name);
  const left = JSON.parse((await readFile(join(directory, name), 'utf8')).split('\n')[0] ?? '') as Holder;
  await taken.release();
  const file = join(directory, 'held-by.0-abandoned');
  await writeFile(
    file,
    `${JSON.stringify({ ...left, since: '2020-01-01T00:00:00.000Z', ...change })}\nheld\n`,
  );
  return file;
}

test('a data directory is created, and only its owner may list it', async (t) => {
  const directory = join(await temporaryDirectory(), 'new', 'data');
  await hold(t, directory);
  const { mode } = await stat(directory);
  // PostgreSQL runs as another user when Shiplog runs as root, and has to pass through.
  assert.equal(mode & 0o777, process.getuid?.() === 0 ? 0o711 : 0o700);
});

test('a directory that cannot be one is refused with its path and the reason', async () => {
  const file = join(await temporaryDirectory(), 'file');
  await writeFile(file, '');
  const error = await holdDataDirectory(join(file, 'data'), { description: '' }).catch((thrown) => thrown);
  assert.ok(error instanceof DataDirectoryUnusable);
  assert.ok(error.message.includes(join(file, 'data')));
  assert.match(error.message, /ENOTDIR/);
});

test('a directory that cannot be written is refused with its path and the reason', async () => {
  const error = await holdDataDirectory('/proc/self', { description: '' }).catch((thrown) => thrown);
  assert.ok(error instanceof DataDirectoryUnusable);
  assert.match(error.message, /\/proc\/self.*(?:ENOENT|EACCES|EPERM|EROFS)/);
});

test('a second process is refused, and told who holds the directory', async (t) => {
  const directory = await temporaryDirectory();
  const holder = startScript(t, 'hold-directory.ts', [directory, 'http://registry.example:8080']);
  assert.equal(await holder.line(), 'held');
  const error = await holdDataDirectory(directory, { description: '' }).catch((thrown) => thrown);
  assert.ok(error instanceof DataDirectoryHeld);
  assert.match(error.message, new RegExp(`process ${holder.process.pid} on ${hostname()} since 20\\d\\d-`));
  assert.match(error.message, /http:\/\/registry\.example:8080/);
  assert.equal(error.holder.pid, holder.process.pid);
});

test('the same process is refused a second hold as well', async (t) => {
  const directory = await temporaryDirectory();
  await hold(t, directory);
  await assert.rejects(hold(t, directory), DataDirectoryHeld);
});

test('a released directory can be held again, and nothing is left in it', async (t) => {
  const directory = await temporaryDirectory();
  const first = await hold(t, directory);
  await first.release();
  await first.release();
  assert.deepEqual(await readdir(directory), []);
  await hold(t, directory);
});

test('the hold of a process that was killed is taken over', async (t) => {
  const directory = await temporaryDirectory();
  const holder = startScript(t, 'hold-directory.ts', [directory]);
  assert.equal(await holder.line(), 'held');
  await holder.kill();
  await hold(t, directory);
  assert.equal((await readdir(directory)).length, 1);
});

test('a hold whose pid another program got meanwhile is taken over', async (t) => {
  if (process.platform === 'win32') return t.skip('Windows does not tell when a process started');
  const directory = await temporaryDirectory();
  await abandonedHold(t, directory, { pid: process.pid, startTime: 'before' });
  await hold(t, directory);
});

test('a hold of another machine stands while its heartbeat goes on', async (t) => {
  const directory = await temporaryDirectory();
  const file = await abandonedHold(t, directory, { host: 'another', bootId: 'another' });
  const heart = setInterval(() => void utimes(file, new Date(), new Date()), 50);
  t.after(() => clearInterval(heart));
  const taken = holdDataDirectory(directory, { description: '', heartbeatMs: 100 });
  await assert.rejects(taken, /on another since 2020/);
});

test('a hold of another machine whose heartbeat stopped is taken over', async (t) => {
  const directory = await temporaryDirectory();
  await abandonedHold(t, directory, { host: 'another', bootId: 'another' });
  const taken = await holdDataDirectory(directory, { description: '', heartbeatMs: 50 });
  t.after(() => taken.release());
});

test('a hold in another pid namespace is not judged by its pid, which means nothing here', async (t) => {
  const directory = await temporaryDirectory();
  const file = await abandonedHold(t, directory, { pidNamespace: 'pid:[1]', pid: 2 ** 22 + 1 });
  const heart = setInterval(() => void utimes(file, new Date(), new Date()), 50);
  t.after(() => clearInterval(heart));
  const taken = holdDataDirectory(directory, { description: '', heartbeatMs: 100 });
  await assert.rejects(taken, DataDirectoryHeld);
});

test('of many that take over a stale hold at once exactly one gets it', async (t) => {
  const directory = await temporaryDirectory();
  for (let round = 0; round < 5; round++) {
    await abandonedHold(t, directory, { pid: 2 ** 22 + 1 });
    const taken = await Promise.allSettled(
      Array.from({ length: 12 }, () => holdDataDirectory(directory, { description: '' })),
    );
    const holds = taken.filter((result) => result.status === 'fulfilled');
    for (const result of taken) {
      if (result.status === 'rejected') assert.ok(result.reason instanceof DataDirectoryHeld, result.reason);
    }
    assert.equal(holds.length, 1);
    assert.equal((await readdir(directory)).length, 1);
    await holds[0]?.value.release();
  }
});

test('of several processes that start at once exactly one gets the directory', async (t) => {
  const directory = await temporaryDirectory();
  await abandonedHold(t, directory, { pid: 2 ** 22 + 1 });
  const starters = Array.from({ length: 5 }, () => startScript(t, 'hold-directory.ts', [directory]));
  const answers = await Promise.all(starters.map((starter) => starter.line()));
  assert.equal(answers.filter((answer) => answer === 'held').length, 1, answers.join('\n'));
  assert.equal(answers.filter((answer) => answer.startsWith('DataDirectoryHeld: ')).length, 4);
});

test('a holder learns that its hold was taken from it', async (t) => {
  const directory = await temporaryDirectory();
  let lost: Error | undefined;
  const onLost = (error: Error) => {
    lost = error;
  };
  const taken = await holdDataDirectory(directory, { description: '', heartbeatMs: 20, onLost });
  t.after(() => taken.release());
  for (const entry of await readdir(directory)) await rm(join(directory, entry));
  while (lost === undefined) await delay(10);
  assert.match(lost.message, /is lost/);
});
