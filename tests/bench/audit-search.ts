import { parseArgs } from 'node:util';
import { auditOperations } from '../../domain/audit/operations.ts';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { type EventLog, maxEventsPerAppend, type NewEvent } from '../../infra/event-log/port.ts';
import { replayViews } from '../../infra/views/rebuild.ts';
import { type AuditDatabase, audit } from '../../projections/audit/projection.ts';
import type { AuditQuestion } from '../../projections/audit/question.ts';
import { searchAudit } from '../../projections/audit/search.ts';
import { percentile } from './bench.ts';
import { startPostgresLog } from './postgres.ts';

/*
 * `node tests/bench/audit-search.ts --entries 10000000`: what a page of the audit log costs, by what is asked. The entries
 * come through the log, nearly all of them pulls over two years; goal: under 100 ms each.
 */
const { values } = parseArgs({ options: { entries: { type: 'string', default: '200000' } } });
const count = Number(values.entries);
const goalMs = 100;
const rounds = 7;
const days = 730;
const end = Date.UTC(2026, 8, 1);

const atOnce = 8;
const open: (() => unknown)[] = [];
const scope = { after: (work: () => unknown) => void open.push(work) };

const digestOf = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}`;
const projectOf = (n: number) => 1 + (n % 200);
const repositoryOf = (n: number) => `project-${projectOf(n)}/app-${n % 4000}`;
const addressOf = (n: number) => `10.${n % 7}.${n % 251}.${n % 241}`;
const pulledAt = (n: number) => new Date(end - days * 86_400_000 * (1 - n / count)).toISOString();

function eventOf(n: number): NewEvent {
  const metadata = {
    actor: n % 3 === 0 ? `user:dev-${n % 997}` : `robot:project-${projectOf(n)}+ci`,
    ...{ requestId: newEventId(), clientIp: addressOf(n), userAgent: 'docker/29.0.1 go/go1.25 os/linux' },
  };
  const fact = (type: string, data: object, more: object = {}): NewEvent => ({
    ...{ id: newEventId(), type, version: currentVersion(catalogue, type), data },
    metadata: { ...metadata, correlationId: metadata.requestId, ...more },
  });
  const at = { repository: repositoryOf(n), tag: `v${n % 30}` };
  switch (n % 50) {
    case 0:
      return fact('TagMoved', { ...at, from: digestOf(n - 1), digest: digestOf(n) });
    case 1:
      return fact('LoginSucceeded', { kind: 'user', username: `dev-${n % 997}` });
    case 2:
      return n % 1000 === 2
        ? fact('LoginFailed', { kind: 'user', username: `dev-${n % 997}` })
        : fact('TagRemoved', { ...at, digest: digestOf(n) }, { reason: `retention ${n % 100}` });
    default:
      return fact('ArtifactPulled', {
        ...{ ...at, projectId: projectOf(n), digest: digestOf(n % 5000), pulledAt: pulledAt(n) },
        ...{ timed: true, counted: true },
      });
  }
}

async function fill(log: EventLog): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async (_, stream) => {
      while (next < count) {
        const from = next;
        next += maxEventsPerAppend;
        const events = Array.from({ length: Math.min(maxEventsPerAppend, count - from) }, (_, n) =>
          eventOf(from + n),
        );
        await log.append(`pulls/bench-${stream}`, 'any', events);
      }
    }),
  );
}

const questions: readonly (readonly [string, Partial<AuditQuestion>])[] = [
  ['nothing', {}],
  ['a user', { actor: { name: 'dev-3', isRobot: false } }],
  ['a robot', { actor: { name: 'project-7+ci', isRobot: true } }],
  ['nobody', { actor: { name: 'nobody', isRobot: false } }],
  ['a project', { projectId: 7 }],
  ['25 projects', { scope: { kind: 'projects', projectIds: Array.from({ length: 25 }, (_, n) => n + 1) } }],
  ['100 projects', { scope: { kind: 'projects', projectIds: Array.from({ length: 100 }, (_, n) => n + 1) } }],
  ['a resource', { resource: 'project-8/app-7:v7' }],
  ['the start of a resource', { resourcePrefix: 'project-8/app-7' }],
  ['the start of many', { resourcePrefix: 'project-' }],
  ['an operation that is rare', { operations: ['delete_tag'] }],
  ['an operation that there is none of', { operations: ['create_label'] }],
  ['a month', { from: new Date('2025-03-01T00:00:00Z'), until: new Date('2025-04-01T00:00:00Z') }],
  ['an address', { address: '10.3.7.9' }],
  ['a network of few', { address: '10.3.7.0/28' }],
  ['a network of many', { address: '10.3.0.0/16' }],
  ['what failed', { succeeded: false }],
  ['a reason', { reason: 'retention 52' }],
  ['a correlation id that there is none of', { correlationId: 'none' }],
  ['a request id that there is none of', { requestId: 'none' }],
  ['a user in a project', { actor: { name: 'dev-3', isRobot: false }, projectId: 7 }],
  [
    'a user from a network, in a year',
    {
      ...{ actor: { name: 'dev-3', isRobot: false }, address: '10.3.0.0/16' },
      ...{ from: new Date('2024-10-01T00:00:00Z'), until: new Date('2025-10-01T00:00:00Z') },
    },
  ],
  [
    'pulls in a project, from a network',
    {
      ...{ operations: ['pull_artifact'], projectId: 7, address: '10.3.0.0/16' },
    },
  ],
  ['what failed of a user', { succeeded: false, actor: { name: 'dev-5', isRobot: false } }],
];

try {
  const { log, connect } = await startPostgresLog(scope as never);
  const database = await connect(10);
  const say = (text: string) => console.log(text);
  let startedAt = performance.now();
  const took = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  await fill(log);
  say(`${count.toLocaleString('en')} events recorded in ${took()}`);
  startedAt = performance.now();
  const projections = [audit];
  await replayViews({ log, database, catalogue, projections, onProgress: () => undefined });
  say(`the view of them built in ${took()}`);
  const { rows } = await database.pool.query(
    `SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))) AS size, count(*)::int AS parts
     FROM pg_inherits WHERE inhparent = 'audit_v${audit.version}.entries'::regclass`,
  );
  say(`${rows[0].size} in ${rows[0].parts} partitions`);
  const db = viewOf<AuditDatabase>(database.kysely, audit);
  for (const [what, asked] of questions) {
    const question: AuditQuestion = { scope: { kind: 'everything' }, operations: auditOperations, ...asked };
    for (const descending of [true, false]) {
      const ms: number[] = [];
      let found = 0;
      for (let round = 0; round < rounds; round++) {
        const from = performance.now();
        const page = await searchAudit(db, question, { after: undefined, descending, limit: 20 });
        ms.push(performance.now() - from);
        found = page.entries.length;
      }
      const [middle, most] = [percentile(ms, 0.5), Math.max(...ms)];
      const verdict = middle < goalMs ? '' : '  OVER THE GOAL';
      say(
        `${what}, ${descending ? 'newest' : 'oldest'} first: ${middle.toFixed(1)} ms, at most ${most.toFixed(1)} ms, ${found} entries${verdict}`,
      );
    }
  }
} finally {
  for (const close of open.toReversed()) await close();
}
