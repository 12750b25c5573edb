import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { auditOperations } from '../../domain/audit/operations.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { schemaOf, ViewTables, viewOf } from '../../infra/database/projection.ts';
import { makePartitions } from '../../projections/audit/partitions.ts';
import { type AuditDatabase, audit } from '../../projections/audit/projection.ts';
import type { AuditQuestion } from '../../projections/audit/question.ts';
import { type AuditPlace, findAuditEntry, searchAudit } from '../../projections/audit/search.ts';
import { run, startSetting } from './views-setting.ts';

/*
 * 30,000 entries over four months, and a few of wrong clocks. What is found by any filter is compared with what is true of
 * each entry, page by page in both directions.
 */
const count = 30_000;
const setting = await startSetting({ after } as never);
const views = await run(setting, { projections: [audit], catalogue });
await views.caughtUp();
const schema = schemaOf(audit);
await new ViewTables(views.database.kysely, schema).run((own) =>
  makePartitions(own, ['early', '2026_01', '2026_02', '2026_03', '2026_04', 'late']),
);
await views.database.pool.query(`
  INSERT INTO ${schema}.entries (at, id, event_id, type, project_id, username, is_robot, actor_kind, address, resource,
    description, succeeded, reason, correlation_id, request_id)
  SELECT
    CASE n WHEN 5 THEN '1999-01-01'::timestamptz WHEN 6 THEN '2199-01-01'::timestamptz
      -- Many have the same time.
      ELSE '2026-01-01'::timestamptz + n / 3 * interval '15 minutes' END,
    n, gen_random_uuid(),
    (ARRAY['pull_artifact', 'pull_artifact', 'pull_artifact', 'create_artifact', 'update_robot'])[1 + n % 5],
    CASE WHEN n % 7 = 0 THEN NULL ELSE n % 4 END,
    CASE n % 4 WHEN 0 THEN 'harbor-jobservice' WHEN 1 THEN 'ci' ELSE 'dev-' || n % 13 END, n % 8 = 1,
    CASE WHEN n % 4 = 0 THEN 'system' WHEN n % 8 = 1 THEN 'robot' ELSE 'user' END,
    CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN ('10.0.' || n % 50 || '.' || n % 200)::inet ELSE ('2001:db8::' || to_hex(n % 99))::inet END,
    'project-' || n % 4 || '/app-' || n % 60, 'of a test', n % 1000 <> 3, CASE WHEN n % 500 = 9 THEN 'Because of ' || n END,
    'request-' || n / 2, CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN 'always' END
  FROM generate_series(1, ${count}) n`);
await views.database.pool.query(`ANALYZE ${schema}.entries`);
const db = viewOf<AuditDatabase>(views.database.kysely, audit);
const { rows: all } = await views.database.pool.query(
  `SELECT *, host(address) AS host FROM ${schema}.entries ORDER BY at, id`,
);

const everything: AuditQuestion = { scope: { kind: 'everything' }, operations: auditOperations };

async function searched(
  question: AuditQuestion,
  descending: boolean,
  limit = 1000,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (let place: AuditPlace | undefined; ; ) {
    const { entries, next } = await searchAudit(db, question, { after: place, descending, limit });
    assert.ok(entries.length <= limit);
    found.push(...entries.map(({ position }) => position));
    if (next === undefined) return found;
    assert.notDeepEqual(next, place, 'a search comes forward');
    place = next;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a row of the database.
type Row = any;
const isIn = (row: Row, projectIds: readonly number[]) => projectIds.includes(row.project_id);
const questions: readonly (readonly [
  string,
  Partial<AuditQuestion>,
  (row: Row) => boolean,
  limit?: number,
])[] = [
  ['nothing', {}, () => true],
  ['an operation', { operations: ['update_robot'] }, ({ type }) => type === 'update_robot', 97],
  ['no operation', { operations: [] }, () => false],
  ['a user', { actor: { name: 'ci', isRobot: false } }, (row) => row.username === 'ci' && !row.is_robot],
  ['a user or a robot', { actor: { name: 'ci', isRobot: undefined } }, ({ username }) => username === 'ci'],
  ['robots', { actorKind: 'robot' }, (row) => row.actor_kind === 'robot'],
  ['the system', { actorKind: 'system' }, (row) => row.actor_kind === 'system'],
  ['a project', { projectId: 2 }, (row) => row.project_id === 2],
  [
    'a project of those whose log it is',
    { projectId: 2, scope: { kind: 'projects', projectIds: [1, 3] } },
    () => false,
  ],
  ['projects', { scope: { kind: 'projects', projectIds: [1, 3] } }, (row) => isIn(row, [1, 3])],
  [
    'many projects',
    { scope: { kind: 'projects', projectIds: Array.from({ length: 40 }, (_, n) => n + 2) } },
    (row) => row.project_id >= 2,
  ],
  ['every project', { scope: { kind: 'every project' } }, (row) => row.project_id !== null],
  ['a resource', { resource: 'project-3/app-7' }, (row) => row.resource === 'project-3/app-7', 50],
  [
    'the start of a resource',
    { resourcePrefix: 'project-3/app-1' },
    (row) => row.resource.startsWith('project-3/app-1'),
  ],
  ['the start of most', { resourcePrefix: 'project-' }, () => true],
  [
    'a time',
    { from: new Date('2026-01-20T00:00:00Z'), until: new Date('2026-03-02T00:00:00Z') },
    ({ at }) => at >= new Date('2026-01-20T00:00:00Z') && at < new Date('2026-03-02T00:00:00Z'),
  ],
  ['an address', { address: '10.0.7.7' }, ({ host }) => host === '10.0.7.7', 3],
  ['a network', { address: '10.0.7.0/24' }, ({ host }) => host?.startsWith('10.0.7.') === true, 50],
  [
    'the network of an address in it',
    { address: '10.0.7.9/24' },
    ({ host }) => host?.startsWith('10.0.7.') === true,
  ],
  ['all IPv4', { address: '0.0.0.0/0' }, ({ host }) => host?.includes('.') === true],
  [
    'a network of IPv6',
    { address: '2001:db8::/123' },
    ({ host }) => /^2001:db8::1?[\da-f]?$/.test(host ?? ''),
  ],
  ['what failed', { succeeded: false }, (row) => !row.succeeded],
  ['what was done', { succeeded: true }, (row) => row.succeeded],
  ['a reason', { reason: 'BECAUSE' }, (row) => row.reason !== null, 7],
  ['a reason that nobody has given', { reason: 'none' }, () => false],
  ['what belongs together', { correlationId: 'request-77' }, (row) => row.correlation_id === 'request-77'],
  [
    'a request that was named here',
    { requestId: 'request-75' },
    (row) => row.correlation_id === 'request-75' && row.request_id === '',
  ],
  ['requests of one name', { requestId: 'always' }, (row) => row.request_id === 'always'],
  [
    'several things',
    {
      actor: { name: 'dev-3', isRobot: false },
      resourcePrefix: 'project-3/',
      address: '10.0.0.0/8',
      projectId: 3,
      succeeded: true,
      operations: ['pull_artifact', 'create_artifact'],
      from: new Date('2026-01-05T00:00:00Z'),
    },
    (row) =>
      row.username === 'dev-3' &&
      row.resource.startsWith('project-3/') &&
      row.host?.includes('.') === true &&
      row.project_id === 3 &&
      row.succeeded &&
      row.type !== 'update_robot' &&
      row.at >= new Date('2026-01-05T00:00:00Z'),
    5,
  ],
];
for (const [what, asked, isMeant, limit] of questions)
  test(`asked for ${what}, a search finds each entry of which that is true once, in the order of time`, async () => {
    const question = { ...everything, ...asked };
    const meant = all.filter(isMeant).map(({ id }) => String(id));
    assert.deepEqual(await searched(question, false, limit), meant);
    assert.deepEqual(await searched(question, true, limit), meant.toReversed());
  });

test('an entry is found by its position and by the id of its event, by who may see it', async () => {
  const row = all.find(({ id }) => String(id) === '77');
  const everywhere = { kind: 'everything' } as const;
  const others = { kind: 'projects', projectIds: [3, 77] } as const;
  assert.equal((await findAuditEntry(db, { position: '77' }, everywhere))?.eventId, row.event_id);
  assert.equal((await findAuditEntry(db, { eventId: row.event_id }, everywhere))?.position, '77');
  assert.equal(await findAuditEntry(db, { position: '78' }, others), undefined);
  assert.equal(await findAuditEntry(db, { position: '999999' }, everywhere), undefined);
});
