import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import { auditTypes } from '../../domain/audit/types.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { schemaOf, ViewTables } from '../../infra/database/projection.ts';
import { makePartitions } from '../../projections/audit/partitions.ts';
import { type AuditDatabase, audit } from '../../projections/audit/projection.ts';
import { purgeSlice } from '../../projections/audit/purge.ts';
import { type AuditListing, listAudit } from '../../projections/audit/queries.ts';
import { QuestionTooLong } from '../../projections/bounded.ts';
import type { Filter } from '../../projections/listing.ts';
import { run, startSetting } from './views-setting.ts';

/*
 * Of 120,000 rows nearly all are pulls, as they are after a while: one in 1000 is a deletion, and a few are of others. What
 * a question reads is counted by PostgreSQL itself.
 */
const count = 120_000;
const setting = await startSetting({ after } as never);
const views = await run(setting, { projections: [audit], catalogue });
await views.caughtUp();
const { pool } = views.database;
const schema = schemaOf(audit);
await new ViewTables(views.database.kysely, schema).run((own) =>
  makePartitions(own, ['2026_01', '2026_02', '2026_03']),
);
await pool.query(`
  INSERT INTO ${schema}.entries (at, id, event_id, type, project_id, username, is_robot, actor_kind, resource, description, succeeded)
  SELECT '2026-01-01'::timestamptz + n * interval '1 minute', n, gen_random_uuid(),
    CASE WHEN n % 1000 = 0 THEN 'delete_artifact' WHEN n % 5000 = 1 THEN 'login_user' ELSE 'pull_artifact' END,
    CASE WHEN n % 5000 = 1 THEN NULL ELSE 1 + n % 50 END,
    CASE WHEN n % 10000 = 7 THEN 'rare' WHEN n % 2 = 0 THEN 'robot' ELSE 'dev-' || n % 40 END, n % 2 = 0,
    CASE WHEN n % 2 = 0 THEN 'robot' ELSE 'user' END,
    'project-' || n % 50 || '/app-' || n % 600 || ':v1', 'of a test', n % 10000 <> 1
  FROM generate_series(1, ${count}) n`);
await pool.query(`ANALYZE ${schema}.entries`);

const asked: CompiledQuery[] = [];
const db = new Kysely<AuditDatabase>({
  dialect: new PostgresDialect({ pool }),
  log: ({ query }) => {
    asked.push(query);
  },
}).withSchema(schema);

const listing = (more: Partial<AuditListing> = {}): AuditListing => ({
  ...{ filters: [], sort: [], offset: 0, limit: 10 },
  ...{ scope: { kind: 'everything' }, types: auditTypes, withFailed: true, robotPrefix: 'robot$' },
  ...more,
});
const is = (key: string, value: string): Filter => ({ key, kind: 'is', value });

interface Node {
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Node[];
}
const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** How many rows of the table the questions read that `work` asks. */
async function readsOf(work: () => Promise<unknown>): Promise<number> {
  asked.length = 0;
  await work();
  // Without what begins, bounds and ends them.
  const questions = asked.filter(({ sql }) => /\bentries\b/.test(sql));
  let rows = 0;
  for (const { sql, parameters } of questions) {
    const explained = await pool.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, [...parameters]);
    for (const node of nodesOf(explained.rows[0]['QUERY PLAN'][0].Plan)) {
      if (!node['Relation Name']?.startsWith('entries_')) continue;
      rows += (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
    }
  }
  assert.ok(questions.length > 0);
  return rows;
}

const questions: readonly (readonly [string, Partial<AuditListing>, total: number, most: number])[] = [
  ['the newest', {}, 10_000, 10_100],
  ['the last that are listed', { offset: 9990 }, 10_000, 20_500],
  ['the first, in the order of time', { sort: [{ key: 'op_time', descending: false }] }, 10_000, 10_100],
  ['those of one project', { scope: { kind: 'projects', projectIds: [7] } }, 2400, 2500],
  ['those of some projects', { scope: { kind: 'projects', projectIds: [7, 8, 9, 10, 11] } }, 10_000, 12_500],
  ['deletions, which are rare', { filters: [is('operation', 'delete')] }, 120, 200],
  [
    'deletions in a project that has many pulls',
    { scope: { kind: 'projects', projectIds: [1] }, filters: [is('operation', 'delete')] },
    120,
    200,
  ],
  ['those of somebody who does little', { filters: [is('username', 'rare')] }, 12, 50],
  [
    'deletions by somebody who pulls all the time',
    { filters: [is('username', 'robot$robot'), is('operation', 'delete')] },
    120,
    300,
  ],
  ['those of one resource', { filters: [is('resource', 'project-7/app-7:v1')] }, 200, 500],
  [
    'those of a day long ago',
    {
      filters: [
        { key: 'op_time', kind: 'range', from: '2026-01-03T00:00:00', to: '2026-01-03T23:59:59' },
        is('username', 'robot$robot'),
      ],
    },
    720,
    2200,
  ],
  ['what failed', { filters: [is('operation_result', 'false')] }, 12, 100],
  [
    'none of somebody in a project where he never was',
    { scope: { kind: 'projects', projectIds: [7] }, filters: [is('username', 'nobody')] },
    0,
    0,
  ],
  [
    'those of somebody in projects of others',
    { scope: { kind: 'projects', projectIds: [1, 2, 3] }, filters: [is('username', 'dev-39')] },
    0,
    0,
  ],
  [
    'a resource in a project that it is not of',
    { scope: { kind: 'projects', projectIds: [9] }, filters: [is('resource', 'project-7/app-7:v1')] },
    0,
    500,
  ],
  [
    'what failed in a project where nothing did',
    { scope: { kind: 'projects', projectIds: [9] }, filters: [is('operation_result', 'false')] },
    0,
    100,
  ],
  [
    'what failed of somebody who does little',
    { filters: [is('operation_result', 'false'), is('username', 'rare')] },
    0,
    100,
  ],
  [
    'the first of many projects by their names',
    {
      scope: { kind: 'projects', projectIds: Array.from({ length: 50 }, (_, n) => n + 1) },
      sort: [{ key: 'resource', descending: false }],
    },
    10_000,
    21_000,
  ],
];
for (const [what, more, total, most] of questions)
  test(`of 120,000 rows, ${what} are found without reading many others`, async () => {
    const page = await listAudit(db, listing(more));
    assert.equal(page.total, total);
    const rows = await readsOf(() => listAudit(db, listing(more)));
    assert.ok(rows <= most, `${rows} rows were read`);
  });

test('the pages are in the order of time, each row on one of them', async () => {
  const ids: number[] = [];
  const scope = { kind: 'projects', projectIds: [3, 4, 5] } as const;
  for (let offset = 0; ; offset += 100) {
    const { rows, total } = await listAudit(db, listing({ scope, offset, limit: 100 }));
    assert.equal(total, 7200);
    if (rows.length === 0) break;
    ids.push(...rows.map(({ id }) => id));
  }
  assert.equal(ids.length, 7200);
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => b - a),
  );
  assert.equal(new Set(ids).size, 7200);
  assert.deepEqual((await listAudit(db, listing({ offset: 10_000 }))).rows, []);
  assert.equal((await listAudit(db, listing({ limit: undefined }))).rows.length, 10_000);
});

test('a part of a name is looked for among the newest 100,000 rows, and no further', async () => {
  const contains: Filter = { key: 'username', kind: 'contains', value: 'RAR' };
  const { rows, total } = await listAudit(db, listing({ filters: [contains] }));
  assert.deepEqual([rows.length, total], [10, 10]);
  // With a time until which it is looked for, the older ones are found too.
  const until: Filter = { key: 'op_time', kind: 'range', from: undefined, to: '2026-01-20T00:00:00' };
  assert.equal((await listAudit(db, listing({ filters: [contains, until] }))).total, 3);
});

test('a robot is called with what the names of robots begin with, and a user of the same name is another', async () => {
  const found = async (filter: object) =>
    (await listAudit(db, listing({ filters: [{ key: 'UserName', ...filter } as Filter] }))).total;
  assert.equal(await found({ kind: 'is', value: 'robot' }), 0);
  assert.equal(await found({ kind: 'is', value: 'robot$rare' }), 0);
  assert.equal(await found({ kind: 'is', value: 'robot$robot' }), 10_000);
  assert.equal(await found({ kind: 'contains', value: 'obot$rob' }), 10_000);
  assert.equal(await found({ kind: 'any', values: ['robot', 'rare'] }), 10);
  assert.equal(await found({ kind: 'any', values: ['robot$robot', 'robot$rare'] }), 10_000);
  const sort = [{ key: 'username', descending: true }];
  assert.equal((await listAudit(db, listing({ sort }))).rows[0]?.isRobot, true);
});

test('a list that takes too long is given up', async (t) => {
  const holder = await pool.connect();
  t.after(() => holder.release());
  await holder.query(`BEGIN; LOCK TABLE ${schema}.entries`);
  await assert.rejects(listAudit(db, listing()), QuestionTooLong);
  await holder.query('ROLLBACK');
  assert.equal((await listAudit(db, listing())).rows.length, 10);
});

test('a purge finds its next rows by an index', async () => {
  const part = { from: null, before: new Date('2026-02-01T00:00:00Z'), limit: 5000 };
  for (const type of ['delete_artifact', 'create_user']) {
    const rows = await readsOf(() => purgeSlice(db, type, part));
    assert.ok(rows < 200, `${rows} rows were read`);
  }
});
