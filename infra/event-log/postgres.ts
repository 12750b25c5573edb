import type { QueryResultRow } from 'pg';
import type { RecordedEvent } from '../../domain/event.ts';
import type { Database } from '../database/connect.ts';
import { isOutage } from '../database/outage.ts';
import { batchOf, type Group, groupOf, takeBatch } from './group-commit.ts';
import { type Append, type EventLog, LogUnavailable, RevisionConflict } from './port.ts';
import { postgresSchema } from './postgres-schema.ts';
import { Wake } from './wake.ts';

const readBatchEvents = 5000;
const readBatchBytes = 8 * 1024 * 1024;
/** How long a subscription sleeps at the most when a notification was lost, in milliseconds. */
const pollMs = 2000;
const outagePauseMs = 200;

const columns = 'position, stream, revision, id, type, version, data, metadata, recorded_at';

const statements = {
  append: 'SELECT * FROM event_log.append_batch($1::json)',
  head: 'SELECT coalesce(max(position), 0) AS head FROM event_log.events',
  revision: 'SELECT max(revision) AS revision FROM event_log.events WHERE stream = $1',
  stream: `SELECT ${columns} FROM event_log.events WHERE stream = $1 AND revision >= $2 ORDER BY revision`,
  // Bounded by position and not by LIMIT: without statistics the planner would sort all that lies ahead, each time.
  all: `
    SELECT ${columns} FROM (
      SELECT *, sum(size) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) - size AS bytes_before
      FROM event_log.events WHERE position > $1 AND position <= least($2, $1 + ${readBatchEvents})
    ) ahead WHERE bytes_before < ${readBatchBytes} ORDER BY position`,
  at: `
    SELECT ${columns} FROM (
      SELECT *, sum(size) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) - size AS bytes_before
      FROM event_log.events WHERE position = ANY($1::bigint[])
    ) asked WHERE bytes_before < ${readBatchBytes} ORDER BY position`,
};

/**
 * The log in a PostgreSQL table. Appends of this process are coalesced: while one transaction commits, the next
 * ones gather, so that one fsync serves many. Notifications wake the subscriptions of other processes.
 */
export async function openPostgresLog(database: Database): Promise<EventLog> {
  const closing = new AbortController();
  const news = new Wake();
  await database.pool.query(postgresSchema);
  const listener = await database.listen('shiplog_event_log', () => news.raise());

  const waiting: Group[] = [];
  let committing: Promise<void> | undefined;

  async function ask(name: keyof typeof statements, values: readonly unknown[]): Promise<QueryResultRow[]> {
    // Appends that were accepted before the end are still finished; `submit` refuses the others.
    if (closing.signal.aborted && name !== 'append') throw new LogUnavailable('the event log is closed');
    try {
      const prepared = { name: `shiplog-log-${name}`, text: statements[name], values: [...values] };
      const { rows } = await database.pool.query(prepared);
      return rows;
    } catch (error) {
      if (isOutage(error))
        throw new LogUnavailable('PostgreSQL does not answer the event log', { cause: error });
      throw error;
    }
  }

  function submit(appends: readonly Append[]): Promise<bigint> {
    return new Promise((resolve, reject) => {
      if (closing.signal.aborted) throw new LogUnavailable('the event log is closed');
      waiting.push(groupOf(appends, { resolve, reject }));
      committing ??= commitWaiting();
    });
  }

  async function commitWaiting(): Promise<void> {
    // One turn of the event loop, so that what the same tick appends shares the first transaction.
    await new Promise((turn) => setImmediate(turn));
    while (waiting.length > 0) await commit(takeBatch(waiting));
    committing = undefined;
  }

  async function commit(groups: readonly Group[]): Promise<void> {
    try {
      for (const verdict of await ask('append', [batchOf(groups)])) {
        const group = groups[verdict.group_number];
        if (verdict.outcome === 'conflict') group?.reject(conflictIn(group, verdict.conflicting));
        else group?.resolve(BigInt(verdict.last_position));
      }
      news.raise();
    } catch (error) {
      if (groups.length === 1 || error instanceof LogUnavailable) {
        for (const group of groups) group.reject(error);
      } else {
        // One of them is at fault, and the others must not fail for it.
        for (const group of groups) await commit([group]);
      }
    }
  }

  async function head(): Promise<bigint> {
    const [row] = await ask('head', []);
    return BigInt(row?.head);
  }

  async function* readUpTo(after: bigint, last: bigint): AsyncGenerator<readonly RecordedEvent[], void> {
    let position = after;
    while (position < last) {
      const events = (await ask('all', [position, last])).map(recordedFrom);
      if (events.length > 0) yield events;
      // Where nothing is, it goes on behind the gap.
      position = events.at(-1)?.position ?? position + BigInt(readBatchEvents);
    }
  }

  return {
    engine: 'postgres',
    appendsManyAtomically: true,
    head,

    append: (stream, expectedRevision, events) => submit([{ stream, expectedRevision, events }]),

    async appendMany(appends) {
      if (new Set(appends.map(({ stream }) => stream)).size < appends.length) {
        throw new RangeError('appendMany takes each stream once');
      }
      return submit(appends);
    },

    async readStream(stream, from = 0n) {
      const events = (await ask('stream', [stream, from])).map(recordedFrom);
      const last = events.at(-1);
      if (last !== undefined) return { events, revision: last.revision };
      const revision = from === 0n ? null : (await ask('revision', [stream]))[0]?.revision;
      return { events, revision: revision === null ? 'none' : BigInt(revision) };
    },

    async *readAll(after) {
      yield* readUpTo(after, await head());
    },

    async *readAt(positions) {
      let rest = positions;
      while (rest.length > 0) {
        const asked = rest.slice(0, readBatchEvents);
        const events = (await ask('at', [asked])).map(recordedFrom);
        const last = events.at(-1)?.position;
        if (events.length > 0) yield events;
        // Where the batch was full before its last position, the others are asked for again.
        const done = last === undefined || events.length === asked.length ? asked.at(-1) : last;
        rest = rest.filter((position) => position > (done as bigint));
      }
    },

    async *subscribe(after, signal) {
      const ended = AbortSignal.any([signal, closing.signal]);
      let position = after;
      while (!ended.aborted) {
        const seen = news.count;
        try {
          for await (const events of readUpTo(position, await head())) {
            if (ended.aborted) return;
            yield events;
            position = events.at(-1)?.position ?? position;
          }
          await news.wait(seen, pollMs, ended);
        } catch (error) {
          if (!(error instanceof LogUnavailable)) throw error;
          await news.wait(news.count, outagePauseMs, ended);
        }
      }
    },

    async close() {
      closing.abort();
      await committing;
      await listener.close();
    },
  };
}

function conflictIn({ appends }: Group, stream: string): RevisionConflict {
  const append = appends.find((candidate) => candidate.stream === stream);
  return new RevisionConflict(stream, append?.expectedRevision ?? 'any');
}

function recordedFrom(row: QueryResultRow): RecordedEvent {
  return {
    position: BigInt(row.position),
    stream: row.stream,
    revision: BigInt(row.revision),
    id: row.id,
    type: row.type,
    version: row.version,
    data: row.data,
    metadata: row.metadata,
    recordedAt: row.recorded_at,
  };
}
