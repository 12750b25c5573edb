import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { AuditFormat } from '../../domain/audit/formats.ts';
import { auditOperations } from '../../domain/audit/operations.ts';
import { catalogue } from '../../domain/catalogue.ts';
import type { AuditExports } from '../../infra/audit-exports/port.ts';
import { postgresExports } from '../../infra/audit-exports/postgres.ts';
import { schemaOf, ViewTables, viewOf } from '../../infra/database/projection.ts';
import { makePartitions } from '../../projections/audit/partitions.ts';
import { type AuditDatabase, audit } from '../../projections/audit/projection.ts';
import { searchAudit } from '../../projections/audit/search.ts';
import { exportAuditLogJob } from '../../workers/export-audit-log-job.ts';
import { run, startSetting } from './views-setting.ts';

const count = 7000;
const setting = await startSetting({ after } as never);
const views = await run(setting, { projections: [audit], catalogue });
await views.caughtUp();
const schema = schemaOf(audit);
await new ViewTables(views.database.kysely, schema).run((own) => makePartitions(own, ['2026_01', '2026_02']));
await views.database.pool.query(`
  INSERT INTO ${schema}.entries (at, id, event_id, type, username, is_robot, actor_kind, resource, description, succeeded)
  SELECT '2026-01-28'::timestamptz + n * interval '1 minute', n, gen_random_uuid(), 'pull_artifact', 'dev', false, 'user',
    '=app-' || n, 'of a test', true
  FROM generate_series(1, ${count}) n`);
const db = viewOf<AuditDatabase>(views.database.kysely, audit);
const exports = postgresExports(views.database);

const ask = async (
  format: AuditFormat,
  until = '2027-01-01T00:00:00.000Z',
  owner = `user/${randomUUID()}`,
) => {
  const question = { scope: { kind: 'everything' }, operations: auditOperations, until };
  const id = randomUUID();
  const request = { question, robotPrefix: 'robot$' };
  assert.ok(await exports.create({ id, owner, format, request, createdAt: new Date() }, 10));
  return id;
};
const work = (
  id: string,
  of: Pick<AuditExports, 'find' | 'append'> = exports,
  stopping = new AbortController(),
) =>
  exportAuditLogJob({
    exports: of,
    search: (question, paging) => searchAudit(db, question, paging),
    auditIsCurrent: async () => undefined,
    writer: { host: 'registry.example.com', version: '1' },
  }).run(
    {
      ...{ kind: 'AUDIT_EXPORT', executionId: 1, taskId: 1, jobId: randomUUID(), vendorId: -1, attempt: 1 },
      parameters: { export_id: id },
    },
    { stopping: stopping.signal, log: () => undefined, progress: () => undefined },
  );
/** The file, as one who downloads it has it. */
async function fileOf(id: string): Promise<string> {
  const parts: Buffer[] = [];
  for (let part = await exports.read(id, 0); part; part = await exports.read(id, parts.length))
    parts.push(part);
  return gunzipSync(Buffer.concat(parts)).toString();
}
const linesOf = async (id: string) => (await fileOf(id)).split(/\r?\n/).slice(0, -1);
const resourcesIn = (lines: readonly string[]) => lines.map((line) => Number(/app-(\d+)/.exec(line)?.[1]));
const everyOne = Array.from({ length: count }, (_, n) => n + 1);

test('an export has every entry once, in the order of time, in each format', async () => {
  const csv = await ask('csv');
  assert.deepEqual(await work(csv), { entries: count });
  const [head = '', first = '', ...others] = await linesOf(csv);
  assert.match(head, /^id,event_id,time,/);
  assert.match(first, /,'=app-1,/);
  assert.deepEqual(resourcesIn([first, ...others]), everyOne);
  for (const format of ['ndjson', 'cef'] as const) {
    const id = await ask(format);
    await work(id);
    const lines = await linesOf(id);
    assert.deepEqual(resourcesIn(lines), everyOne);
    assert.match(lines[0] ?? '', format === 'cef' ? /^CEF:0\|/ : /^\{"id":1,/);
  }
  const found = await exports.find(csv);
  assert.deepEqual([found?.isDone, found?.entries, found?.parts], [true, count, 4]);
  assert.deepEqual(await work(csv), { entries: count }, 'what is done is not done again');
});

test('an export of nothing is a file too', async () => {
  const id = await ask('csv', '2020-01-01T00:00:00.000Z');
  await work(id);
  assert.equal((await linesOf(id)).length, 1);
});

test('an export that was cut short goes on behind its last part', async () => {
  const id = await ask('ndjson');
  const stopping = new AbortController();
  await work(
    id,
    {
      ...exports,
      append: async (...given) => {
        const written = await exports.append(...given);
        stopping.abort();
        return written;
      },
    },
    stopping,
  );
  assert.deepEqual([(await exports.find(id))?.isDone, (await exports.find(id))?.parts], [false, 1]);
  // Killed before it heard that its part was written.
  const killed = work(id, {
    ...exports,
    append: async (...given) => {
      await exports.append(...given);
      throw new Error('killed');
    },
  });
  await assert.rejects(killed, /killed/);
  await work(id);
  assert.deepEqual(resourcesIn(await linesOf(id)), everyOne);
});

test('of two workers that write the same export, no part is written twice, and who came late goes on', async () => {
  const id = await ask('ndjson');
  await Promise.all([work(id), work(id), work(id)]);
  assert.deepEqual(resourcesIn(await linesOf(id)), everyOne);
  const other = await ask('ndjson');
  let isFirst = true;
  // One that was taken for lost writes a part, and ends.
  await work(other, {
    ...exports,
    append: async (...given) => {
      if (isFirst) await exports.append(...given);
      isFirst = false;
      return exports.append(...given);
    },
  });
  assert.equal((await exports.find(other))?.isDone, true);
  assert.deepEqual(resourcesIn(await linesOf(other)), everyOne);
});

test('an export that is deleted while it is written ends', async () => {
  const id = await ask('ndjson');
  await work(id, {
    ...exports,
    append: async (...given) => {
      await exports.forget(id);
      return exports.append(...given);
    },
  });
  assert.equal(await exports.find(id), undefined);
  assert.equal(await exports.read(id, 0), undefined);
  assert.deepEqual(await work(id), {});
});

test('of one owner no more are kept than may be, also of many at once', async () => {
  const owner = 'user/1';
  const one = (owner: string) =>
    exports.create({ id: randomUUID(), owner, format: 'csv', request: {}, createdAt: new Date(1) }, 2);
  const created = await Promise.all(Array.from({ length: 5 }, () => one(owner)));
  assert.equal(created.filter(Boolean).length, 2);
  assert.ok(await one('user/2'));
  assert.equal((await exports.list(owner, 100)).length, 2);
  assert.equal(await exports.sweep(new Date(2)), 3);
  assert.deepEqual(await exports.list(owner, 100), []);
});
