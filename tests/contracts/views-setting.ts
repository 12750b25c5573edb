import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import { z } from 'zod';
import type { Catalogue } from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { connectDatabase, type Database } from '../../infra/database/connect.ts';
import type { PostgresConnection } from '../../infra/database/embedded-postgres.ts';
import { type Projection, schemaOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import type { EventLog, NewEvent } from '../../infra/event-log/port.ts';
import { openPostgresLog } from '../../infra/event-log/postgres.ts';
import type { Stop } from '../../infra/views/lane.ts';
import { type RunningViews, runViews, type ViewsOptions } from '../../infra/views/runner.ts';
import { startPostgres } from '../postgres.ts';

export interface Counted {
  readonly type: 'Counted';
  readonly data: { readonly key: string; readonly amount: number; readonly text?: string };
}

/** The catalogue of the events that these tests record. */
export const countedCatalogue: Catalogue = new Map(
  ['Counted', 'Ignored'].map((type) => [
    type,
    { type, stream: 'count/<key>', description: '', schema: z.object(), upcasters: [] },
  ]),
);

/**
 * Counts the events of each key. A trigger does the counting, and refuses a position that it has seen: unlike rows
 * that an event sets whole, these tell when an event took effect twice.
 */
export function counting(
  name: string,
  { version = 1, factor = 1, refuses = '' }: { version?: number; factor?: number; refuses?: string } = {},
): Projection<Counted> {
  return {
    name,
    version,
    handles: ['Counted'],
    async create(db) {
      const column = db.schema.createTable('counts').addColumn('key', 'text', (key) => key.primaryKey());
      await column.addColumn('events', 'integer').addColumn('total', 'bigint').execute();
      await db.schema
        .createTable('seen')
        .addColumn('position', 'bigint', (position) => position.primaryKey())
        .execute();
      await db.schema
        .createTable('incoming')
        .addColumn('position', 'bigint', (position) => position.primaryKey())
        .addColumn('key', 'text')
        .addColumn('amount', 'bigint')
        .execute();
      const schema = db.schema.createTable('seen').toOperationNode().table.table.schema?.name ?? '';
      await sql`
        CREATE FUNCTION ${sql.id(schema, 'count')}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          EXECUTE format('INSERT INTO %I.seen VALUES ($1.position)', TG_TABLE_SCHEMA) USING NEW;
          EXECUTE format('INSERT INTO %I.counts AS c VALUES ($1.key, 1, $1.amount) ON CONFLICT (key)
            DO UPDATE SET events = c.events + 1, total = c.total + excluded.total', TG_TABLE_SCHEMA) USING NEW;
          RETURN NULL;
        END $$`.execute(db);
      await sql`
        CREATE TRIGGER count BEFORE INSERT ON ${sql.table(`${schema}.incoming`)}
        FOR EACH ROW EXECUTE FUNCTION ${sql.id(schema, 'count')}()`.execute(db);
    },
    async apply(tables, events) {
      if (events.some(({ data }) => data.key === refuses)) throw new Error(`cannot count ${refuses}`);
      const rows = events.map(({ position, data: { key, amount } }) => ({
        position: String(position),
        key,
        amount: amount * factor,
      }));
      await tables.write('incoming', ['position'], rows);
    },
  };
}

export interface Counts {
  readonly [key: string]: { readonly events: number; readonly total: number };
}

/** What `counting` holds in the schema of a projection, or in another one. */
export async function countsIn(
  database: Database,
  projection: Projection<Counted> | string,
): Promise<Counts> {
  const schema = typeof projection === 'string' ? projection : schemaOf(projection);
  const { rows } = await database.pool.query(`SELECT * FROM ${schema}.counts ORDER BY key`);
  return Object.fromEntries(rows.map(({ key, events, total }) => [key, { events, total: Number(total) }]));
}

/** What the log says the counts are, up to and including the position `last`. */
export async function countsOf(log: EventLog, { factor = 1, last }: { factor?: number; last?: bigint } = {}) {
  const counts = new Map<string, { events: number; total: number }>();
  for await (const batch of log.readAll(0n)) {
    for (const event of batch as RecordedEvent<Counted>[]) {
      if (event.type !== 'Counted' || (last !== undefined && event.position > last)) continue;
      const { key, amount } = event.data;
      const { events, total } = counts.get(key) ?? { events: 0, total: 0 };
      counts.set(key, { events: events + 1, total: total + amount * factor });
    }
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))) as Counts;
}

export const counted = (key: string, amount = 1, text?: string): NewEvent => ({
  id: newEventId(),
  type: 'Counted',
  version: 1,
  data: { key, amount, ...(text !== undefined && { text }) },
  metadata: { actor: 'user:admin' },
});

/** Appends `count` events of a few keys, some of a type that nobody handles; resolves to the last position. */
export async function fill(log: EventLog, count: number, keys = 7): Promise<bigint> {
  const appends: Promise<bigint>[] = [];
  for (let from = 0; from < count; from += 500) {
    const events = Array.from({ length: Math.min(500, count - from) }, (_, index) => {
      const n = from + index;
      return { ...counted(`key-${n % keys}`, n), type: n % 10 === 9 ? 'Ignored' : 'Counted' };
    });
    appends.push(log.append(`count/${from % 5}`, 'any', events));
  }
  const positions = await Promise.all(appends);
  return positions.reduce((max, position) => (position > max ? position : max), 0n);
}

export interface Setting {
  readonly log: EventLog;
  /** Closed with the test, the last opened first. */
  readonly open: AsyncDisposableStack;
  /** A pool of its own on the views' database. */
  connect(poolSize?: number): Promise<Database>;
  /** The same for another process. */
  readonly connections: { readonly log: PostgresConnection; readonly views: PostgresConnection };
}

/** An empty log and an empty database for views, on PostgreSQL. */
export async function startSetting(t: TestContext): Promise<Setting> {
  const [forLog, forViews] = [await startPostgres(t), await startPostgres(t)];
  const open = new AsyncDisposableStack();
  t.after(() => open.disposeAsync());
  const connections = { log: forLog.connection(), views: forViews.connection() };
  const logDatabase = await connectDatabase({ connection: connections.log, poolSize: 4, waitMs: 30_000 });
  open.defer(() => logDatabase.close());
  const log = await openPostgresLog(logDatabase);
  open.defer(() => log.close());
  return {
    log,
    open,
    connections,
    async connect(poolSize = 6) {
      const database = await connectDatabase({ connection: connections.views, poolSize, waitMs: 30_000 });
      open.defer(() => database.close());
      return database;
    },
  };
}

/** A runner that collects what it reports; it is closed with the test. */
export interface Runner extends RunningViews {
  readonly database: Database;
  readonly stops: Stop[];
  readonly outages: unknown[];
}

export async function run(
  setting: Setting,
  options: Pick<ViewsOptions, 'projections'> & Partial<ViewsOptions>,
): Promise<Runner> {
  const stops: Stop[] = [];
  const outages: unknown[] = [];
  const database = options.database ?? (await setting.connect());
  const views = await runViews({
    log: setting.log,
    catalogue: countedCatalogue,
    waitMs: 30_000,
    onStop: (stop) => stops.push(stop),
    onOutage: (error) => outages.push(error),
    ...options,
    database,
  });
  setting.open.defer(() => views.close());
  return { ...views, database, stops, outages };
}

export async function assertCounts(
  setting: Setting,
  database: Database,
  projection: Projection<Counted>,
  factor = 1,
): Promise<void> {
  assert.deepEqual(await countsIn(database, projection), await countsOf(setting.log, { factor }));
}
