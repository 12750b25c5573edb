import assert from 'node:assert/strict';
import { test } from 'node:test';
import { purgeAuditLog } from '../../commands/purge-audit-log.ts';
import { recorder } from '../../commands/record.ts';
import { auditTypes, isAuditType } from '../../domain/audit/types.ts';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { DomainEvent, Metadata } from '../../domain/event.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { verifyViews } from '../../infra/views/rebuild.ts';
import { type AuditDatabase, audit } from '../../projections/audit/projection.ts';
import { purgeMonth, purgeSlice } from '../../projections/audit/purge.ts';
import { listAudit } from '../../projections/audit/queries.ts';
import { rowsAfter, rowsOf } from './views-rows.ts';
import { run, startSetting } from './views-setting.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const day = (n: number): string => new Date(Date.UTC(2026, 0, n)).toISOString();
const pulled = (repository: string, projectId: number, at: number): DomainEvent => ({
  type: 'ArtifactPulled',
  data: { repository, projectId, digest, tag: 'v1', pulledAt: day(at), timed: true, counted: true },
});
const projectIs = (type: 'ProjectCreated' | 'ProjectDeleted', projectId: number): DomainEvent => ({
  type,
  data: {
    name: 'a',
    projectId,
    ...(type === 'ProjectCreated' && { public: false, owner: 'x', storageLimit: null }),
  },
});
const configured = (items: object): DomainEvent => ({
  type: 'ConfigurationChanged',
  data: { items, sealed: {} },
});
const untagged = (tag: string): DomainEvent => ({ type: 'TagRemoved', data: { repository: 'a/one', tag } });
const repositoryDeleted = (repository: string): DomainEvent => ({
  type: 'RepositoryDeleted',
  data: { repository, repositoryId: 1 },
});
/** What Harbor's log shows of the entries. */
const harborsOf = (entries: readonly Record<string, unknown>[] | undefined) =>
  entries?.filter(({ type }) => isAuditType(String(type)));
const told = (rows: Awaited<ReturnType<typeof rowsAfter>>) =>
  harborsOf(rows.entries)
    ?.toSorted((a, b) => Number(a.id) - Number(b.id))
    .map(({ type, resource, project_id }) => [type, resource, project_id]);

test('audit: a row is of the project that had the name then, and a pull of the one that it was from', async (t) => {
  const rows = await rowsAfter(await startSetting(t), audit, [
    repositoryDeleted('a/before'),
    projectIs('ProjectCreated', 1),
    repositoryDeleted('a/one'),
    projectIs('ProjectDeleted', 1),
    repositoryDeleted('a/between'),
    projectIs('ProjectCreated', 2),
    pulled('a/late', 1, 1),
    repositoryDeleted('a/two'),
    { type: 'RobotDeleted', data: { name: 'a+ci', robotId: 1 } },
    { type: 'RobotDeleted', data: { name: 'ci', robotId: 2 } },
  ]);
  assert.deepEqual(told(rows), [
    ['delete_repository', 'a/before', null],
    ['create_project', 'a', 1],
    ['delete_repository', 'a/one', 1],
    ['delete_project', 'a', 1],
    ['delete_repository', 'a/between', null],
    ['create_project', 'a', 2],
    ['pull_artifact', 'a/late:v1', 1],
    ['delete_repository', 'a/two', 2],
    ['delete_robot', 'a+ci', 2],
    ['delete_robot', 'ci', null],
  ]);
});

test('audit: a pull that was done often at once says how often', async (t) => {
  const { type, data } = pulled('a/often', 1, 1);
  const rows = await rowsAfter(await startSetting(t), audit, [
    { type, data: { ...data, times: 40 } },
    pulled('a/once', 1, 1),
  ]);
  assert.deepEqual(
    rows.entries?.map(({ resource, after }) => [resource, after]),
    [
      ['a/often:v1', { times: 40 }],
      ['a/once:v1', null],
    ],
  );
});

test('audit: what a policy does is told, and what the registry does by itself is not', async (t) => {
  const setting = await startSetting(t);
  const views = await run(setting, { projections: [audit], catalogue });
  const removed = (tag: string, metadata: Metadata) => ({
    ...{ id: newEventId(), version: 1, metadata },
    ...untagged(tag),
  });
  const position = await setting.log.append('tag/all', 'any', [
    removed('v1', { actor: 'system', correlationId: 'execution/1', reason: 'retention policy 7' }),
    removed('v2', { actor: 'system', correlationId: 'gc' }),
  ]);
  await views.reached(position, [audit]);
  const { entries } = await rowsOf(views.database, audit);
  assert.deepEqual(
    entries?.map(({ type, actor_kind, resource }) => [type, actor_kind, resource]).toSorted(),
    [
      ['delete_tag', 'system', 'a/one:v1'],
      ['remove_tag', 'system', 'a/one:v2'],
    ],
    'what Harbor does not tell has a type of our own',
  );
});

test('audit: rows are of one request only where one actor made them', async (t) => {
  const setting = await startSetting(t);
  const views = await run(setting, { projections: [audit], catalogue });
  const changed = (actor: string, projectId: number) => ({
    ...{ id: newEventId(), version: 1, type: 'ProjectMetadataChanged' },
    data: { name: 'a', projectId, public: true, metadata: {} },
    metadata: { actor, correlationId: 'chosen', requestId: 'chosen' },
  });
  let position = 0n;
  for (const [actor, projectId] of [
    ['user:dev', 1],
    ['user:eve', 1],
    ['user:dev', 2],
    ['user:dev', 1],
  ] as const)
    position = await setting.log.append('project/a', 'any', [changed(actor, projectId)]);
  await views.reached(position, [audit]);
  const { entries } = await rowsOf(views.database, audit);
  assert.deepEqual(
    harborsOf(entries)?.map(({ username, project_id }) => [username, project_id]),
    [
      ['eve', 1],
      ['dev', 2],
      ['dev', 1],
    ],
  );
});

test('audit: each setting leaves out what it says, from its change on and until it says otherwise', async (t) => {
  const rows = await rowsAfter(await startSetting(t), audit, [
    projectIs('ProjectCreated', 1),
    pulled('a/one', 1, 1),
    configured({ disabled_audit_log_event_types: 'pull_artifact, delete_repository' }),
    pulled('a/two', 1, 2),
    untagged('v1'),
    configured({ pull_audit_log_disable: true, disabled_audit_log_event_types: '' }),
    repositoryDeleted('a/one'),
    pulled('a/three', 1, 3),
    configured({ skip_audit_log_database: true }),
    untagged('v2'),
    configured({ skip_audit_log_database: false, pull_audit_log_disable: false }),
    pulled('a/four', 1, 4),
  ]);
  assert.deepEqual(
    told(rows)
      ?.map(([type, resource]) => `${type} ${resource}`)
      .filter((row) => !row.startsWith('update_configuration')),
    [
      'create_project a',
      'pull_artifact a/one:v1',
      'delete_tag a/one:v1',
      'delete_repository a/one',
      'pull_artifact a/four:v1',
    ],
  );
  // The change to where nothing is written is written, and that back is not.
  assert.equal(rows.entries?.filter(({ type }) => type === 'update_configuration').length, 3);
});

test('audit: what the deployment pins counts, whatever is set, until it pins it no more', async (t) => {
  const pinnedTo = (items: object): DomainEvent => ({ type: 'AuditSettingsPinned', data: { items } });
  const rows = await rowsAfter(await startSetting(t), audit, [
    projectIs('ProjectCreated', 1),
    configured({ pull_audit_log_disable: true }),
    pulled('a/set', 1, 1),
    pinnedTo({ pull_audit_log_disable: false, disabled_audit_log_event_types: 'delete_repository' }),
    pulled('a/pinned', 1, 2),
    repositoryDeleted('a/pinned'),
    configured({ pull_audit_log_disable: true, disabled_audit_log_event_types: '' }),
    pulled('a/set-again', 1, 3),
    repositoryDeleted('a/set-again'),
    pinnedTo({}),
    pulled('a/free', 1, 4),
    repositoryDeleted('a/free'),
  ]);
  assert.deepEqual(
    told(rows)?.flatMap(([type, resource]) => (type === 'update_configuration' ? [] : [resource])),
    ['a', 'a/pinned:v1', 'a/set-again:v1', 'a/free'],
  );
});

test('audit: a purge takes the rows of before, of its types and its time', async (t) => {
  const purged = (type: string, from: number | null, until: number): DomainEvent => ({
    type: 'AuditLogPurged',
    data: { type, others: [], from: from === null ? null : day(from), until: day(until) },
  });
  const rows = await rowsAfter(await startSetting(t), audit, [
    pulled('a/one', 1, 1),
    pulled('a/two', 1, 2),
    pulled('a/three', 1, 3),
    pulled('a/four', 1, 4),
    untagged('v1'),
    purged('delete_tag', null, 4),
    purged('pull_artifact', null, 2),
    purged('pull_artifact', 3, 4),
    pulled('a/one-late', 1, 1),
  ]);
  assert.deepEqual(
    told(rows)?.map(([, resource]) => resource),
    ['a/two:v1', 'a/four:v1', 'a/one:v1', 'a/one-late:v1'],
  );
});

test('the purge of the audit log goes in bounded steps, only counts in a dry run, and can be cut short', async (t) => {
  const setting = await startSetting(t);
  const record = recorder({ log: setting.log, catalogue, newEventId });
  const views = await run(setting, { projections: [audit], catalogue });
  const db = viewOf<AuditDatabase>(views.database.kysely, audit);
  const events = Array.from({ length: 12_345 }, (_, n) => ({
    ...{ id: newEventId(), version: 1, metadata: { actor: 'anonymous' } },
    ...pulled('a/one', 1, 1 + (n % 100)),
  }));
  for (let from = 0; from < events.length; from += 500)
    await setting.log.append('pulls/all', 'any', events.slice(from, from + 500));
  await setting.log.append('tag/a/one:v1', 'any', [
    { id: newEventId(), version: 1, metadata: { actor: 'user:dev' }, ...untagged('v1') },
  ]);
  await views.caughtUp();
  const left = async () => {
    const { rows } = await views.database.pool.query('SELECT count(*)::int AS left FROM audit_v4.entries');
    return rows[0].left;
  };

  const steps: (Date | null)[] = [];
  const told: string[] = [];
  const stopping = new AbortController();
  const purge = purgeAuditLog({
    record,
    async purgeSlice(type, part) {
      steps.push(part.from);
      if (steps.length === 9) stopping.abort();
      return purgeSlice(db, type, part);
    },
    purgeMonth: (operations, part) => purgeMonth(db, operations, part),
    auditReached: (position) => views.reached(position, [audit]),
    newRun: () => '0198c9a2-6a0e-4f1e-9a43-7d5a3d9c5a11',
    // What is older than an hour is from before the 51st day.
    now: () => new Date(Date.parse(day(51)) + 3_600_000),
  });
  const asked = { retentionHours: 1, eventTypes: ['pull_artifact', 'no_such_type'], dryRun: true };
  const job = { stopping: stopping.signal, log: (text: string) => told.push(text) };
  // 124 rows of each of the first 45 days, and 123 of each after.
  const old = 45 * 124 + 5 * 123;
  assert.deepEqual(await purge(asked, job), { rows: old });
  assert.equal(await left(), events.length + 1);
  assert.equal(told[0], 'Purge audit job start');
  assert.match(
    told[1] ?? '',
    new RegExp(`^${old} rows of audit logs before 2026-02-20T00:00:00.000Z would be`),
  );
  assert.equal(steps.length, 3, 'two parts, and one that is empty');

  assert.deepEqual(await purge({ ...asked, eventTypes: ['create_user'], dryRun: false }, job), { rows: 0 });
  assert.deepEqual(await purge({ ...asked, dryRun: false }, job), { rows: old });
  assert.equal(await left(), events.length + 1 - old);
  assert.deepEqual(await purge({ ...asked, dryRun: false }, job), { rows: 0 });
  await assert.rejects(
    purge({ ...asked, retentionHours: 0, dryRun: false }, job).then(() => purge(asked, job)),
    {
      name: 'AbortError',
    },
  );

  const before = await rowsOf(views.database, audit);
  await views.close();
  const [verified] = await verifyViews({
    ...{ log: setting.log, database: views.database, catalogue, projections: [audit] },
    onProgress: () => undefined,
  });
  assert.equal(verified?.difference, null);
  assert.ok((before.entries?.length ?? 0) > 0);
  const ofTags = await listAudit(db, {
    ...{ filters: [], sort: [], offset: 0, limit: 10 },
    ...{ scope: { kind: 'everything' }, types: auditTypes, withFailed: true, robotPrefix: 'robot$' },
  });
  assert.equal(ofTags.rows[0]?.type, 'delete_tag', 'of other types nothing went');
});

test('audit: a month of which hardly anything is kept goes at once, with the same rows as one by one', async (t) => {
  const setting = await startSetting(t);
  const record = recorder({ log: setting.log, catalogue, newEventId });
  const views = await run(setting, { projections: [audit], catalogue });
  const db = viewOf<AuditDatabase>(views.database.kysely, audit);
  const events = Array.from({ length: 6000 }, (_, n) => ({
    ...{ id: newEventId(), version: 1, metadata: { actor: 'anonymous' } },
    // Two in a hundred are of another month, or another century.
    ...pulled('a/one', 1, n % 100 === 0 ? 40 : n % 100 === 1 ? -20_000 : 1 + (n % 31)),
  }));
  for (let from = 0; from < events.length; from += 500)
    await setting.log.append('pulls/all', 'any', events.slice(from, from + 500));
  await views.caughtUp();
  const asked: object[] = [];
  const purge = purgeAuditLog({
    record,
    purgeSlice: (...given) => purgeSlice(db, ...given),
    async purgeMonth(operations, part) {
      const month = await purgeMonth(db, operations, part);
      if (month !== undefined) asked.push(month);
      return month;
    },
    auditReached: (position) => views.reached(position, [audit]),
    newRun: () => '0198c9a2-6a0e-4f1e-9a43-7d5a3d9c5a11',
    now: () => new Date(day(50)),
  });
  const job = { stopping: new AbortController().signal, log: () => undefined };
  const what = { retentionHours: 24 * 15, eventTypes: ['pull_artifact'], dryRun: false };
  const january = 6000 - 2 * 60;
  assert.deepEqual(await purge({ ...what, dryRun: true }, job), { rows: january + 60 });
  assert.deepEqual(await purge(what, job), { rows: january + 60 });
  assert.deepEqual(asked, [{ rows: january, from: new Date(day(1)), until: new Date(day(32)) }]);
  const { entries } = await rowsOf(views.database, audit);
  assert.equal(entries?.length, 60, 'those of February are not old enough');
  // What comes late is of the month again.
  await views.reached(
    await setting.log.append('pulls/all', 'any', [
      { ...{ id: newEventId(), version: 1, metadata: { actor: 'anonymous' } }, ...pulled('a/late', 1, 5) },
    ]),
    [audit],
  );
  const before = await rowsOf(views.database, audit);
  await views.close();
  const [verified] = await verifyViews({
    ...{ log: setting.log, database: views.database, catalogue, projections: [audit] },
    onProgress: () => undefined,
  });
  assert.equal(verified?.difference, null);
  assert.equal(before.entries?.length, 61);
});

test('audit: what is kept of a month stays when the rest goes, also where somebody reads for long', async (t) => {
  const setting = await startSetting(t);
  const views = await run(setting, { projections: [audit], catalogue });
  const at = { id: newEventId(), version: 1, metadata: { actor: 'user:dev' } };
  const append = async (...events: DomainEvent[]) =>
    views.reached(
      await setting.log.append(
        'all',
        'any',
        events.map((event) => ({
          ...at,
          ...event,
          id: newEventId(),
          version: currentVersion(catalogue, event.type),
        })),
      ),
      [audit],
    );
  const month = (from: number, until: number): DomainEvent => ({
    type: 'AuditLogPurged',
    data: { type: 'pull_artifact', others: ['login_robot'], from: day(from), until: day(until) },
  });
  const left = async () => {
    const { rows } = await views.database.pool.query('SELECT resource FROM audit_v4.entries ORDER BY id');
    return rows.map(({ resource }) => resource);
  };
  // All that is recorded is of the month in which the test runs.
  const now = new Date();
  const start = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth()));
  const end = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1));
  const thisMonth: DomainEvent = {
    type: 'AuditLogPurged',
    data: { type: 'delete_tag', others: [], from: start.toISOString(), until: end.toISOString() },
  };
  await append(pulled('a/one', 1, 3), untagged('v1'), repositoryDeleted('a/kept'), pulled('a/two', 1, 33));
  await append(month(1, 32), thisMonth);
  assert.deepEqual(await left(), ['a/kept', 'a/two:v1']);
  const reader = await views.database.pool.connect();
  await append(untagged('v2'));
  await reader.query('BEGIN; SELECT count(*) FROM audit_v4.entries');
  await append(thisMonth);
  await reader.query('ROLLBACK');
  reader.release();
  assert.deepEqual(await left(), ['a/kept', 'a/two:v1']);
  await append(untagged('v3'));
  assert.deepEqual(await left(), ['a/kept', 'a/two:v1', 'a/one:v3']);
});
