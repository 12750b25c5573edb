import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../infra/database/connect.ts';
import type { Append, EventLog } from '../../infra/event-log/port.ts';
import { type Bench, type Figure, measure, milliseconds, percentile, perSecond, ratio } from './bench.ts';
import { oneEvent } from './events.ts';
import { startPostgresLog } from './postgres.ts';
import { cpuMsOf } from './processes.ts';

const loads = [
  { concurrency: 1, events: 2_000 },
  { concurrency: 16, events: 20_000 },
  { concurrency: 64, events: 40_000 },
  { concurrency: 256, events: 40_000 },
];
const rounds = 2;
/** Of the peer; PostgreSQL has none to spare for more callers. */
const connections = 64;

/** Durable appends of one event each; the peer is a transaction an event, on a pool, into a table of the same shape. */
export const append: Bench = {
  name: 'append',
  async run(scope) {
    const { log, connect } = await startPostgresLog(scope);
    const database = await connect(connections);
    const figures: Figure[] = [await syncLatency()];
    await appendAll(log, 64, eventsOf('warm-up', 5_000));
    for (const { concurrency, events } of loads) {
      const runs: Load[] = [];
      for (let round = 1; round <= rounds; round++)
        runs.push(await appendAll(log, concurrency, eventsOf(`c${concurrency}r${round}`, events)));
      const some = eventsOf(`plain${concurrency}`, Math.ceil(events / 10));
      const peer = await insertAll(database, concurrency, some);
      figures.push(...figuresOf(concurrency, best(runs), peer));
    }
    return figures;
  },
};

interface Load {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** Of this process and of PostgreSQL, per event. */
  readonly cpuMs: number;
}

const eventsOf = (run: string, count: number): Append[] =>
  Array.from({ length: count }, (_, index) => oneEvent(run, index));

/** Others load the machine as well, and the best of several runs is least theirs. */
const best = (runs: readonly Load[]): Load => runs.reduce((a, b) => (b.rate > a.rate ? b : a));

function figuresOf(concurrency: number, ours: Load, peer: Load): Figure[] {
  const rate = {
    work: `append, ${concurrency} at once: events`,
    ours: perSecond(ours.rate, 1000),
    peer: perSecond(peer.rate, 1000),
    ratio: ratio(ours.rate, peer.rate),
  };
  const latency = {
    work: `append, ${concurrency} at once: p50, p99`,
    ours: `${milliseconds(ours.p50)}, ${milliseconds(ours.p99)}`,
    peer: `${milliseconds(peer.p50)}, ${milliseconds(peer.p99)}`,
  };
  return [
    concurrency === 64 ? { ...rate, goal: '≥ 20,000/s', met: ours.rate >= 20_000 } : rate,
    concurrency === 1 ? { ...latency, goal: 'p50 ≤ 1.5 ms', met: ours.p50 <= 1.5 } : latency,
    {
      work: `append, ${concurrency} at once: CPU per 1,000 events`,
      ours: milliseconds(ours.cpuMs * 1000),
      peer: milliseconds(peer.cpuMs * 1000),
      ratio: ratio(ours.cpuMs, peer.cpuMs),
    },
  ];
}

const appendAll = (log: EventLog, concurrency: number, appends: readonly Append[]) =>
  loadOf(concurrency, appends, (append) => appendTo(log, append));

const appendTo = (log: EventLog, { stream, expectedRevision, events }: Append) =>
  log.append(stream, expectedRevision, events);

async function insertAll({ pool }: Database, concurrency: number, appends: readonly Append[]): Promise<Load> {
  await pool.query(`CREATE TABLE IF NOT EXISTS plain_events (
    position bigserial PRIMARY KEY, stream text COLLATE "C" NOT NULL, revision bigint NOT NULL,
    id uuid NOT NULL UNIQUE, type text NOT NULL, version smallint NOT NULL, data json NOT NULL,
    metadata json NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(), UNIQUE (stream, revision))`);
  const text =
    'INSERT INTO plain_events (stream, revision, id, type, version, data, metadata) VALUES ($1, 0, $2, $3, $4, $5, $6)';
  return loadOf(concurrency, appends, ({ stream, events: [event] }) => {
    if (event === undefined) throw new Error('an append holds an event');
    const { id, type, version, data, metadata } = event;
    const values = [stream, id, type, version, JSON.stringify(data), JSON.stringify(metadata)];
    return pool.query({ name: 'plain', text, values });
  });
}

async function loadOf(
  concurrency: number,
  appends: readonly Append[],
  work: (append: Append) => Promise<unknown>,
): Promise<Load> {
  const before = cpuMsOf(process.pid);
  const { eachMs, allMs } = await measure(concurrency, appends.length, (index) => {
    const append = appends[index];
    if (append === undefined) throw new RangeError('no such append');
    return work(append);
  });
  return {
    rate: (appends.length / allMs) * 1000,
    p50: percentile(eachMs, 0.5),
    p99: percentile(eachMs, 0.99),
    cpuMs: (cpuMsOf(process.pid) - before) / appends.length,
  };
}

/** What the disk takes for one page that is durable; it makes figures of two machines comparable. */
async function syncLatency(): Promise<Figure> {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-bench-'));
  const file = await open(join(directory, 'page'), 'w');
  try {
    const page = Buffer.alloc(8192, 1);
    const { eachMs } = await measure(1, 500, async (index) => {
      await file.write(page, 0, page.length, index * page.length);
      await file.datasync();
    });
    return {
      work: 'the disk: write and sync 8 KiB, p50, p99',
      ours: `${milliseconds(percentile(eachMs, 0.5))}, ${milliseconds(percentile(eachMs, 0.99))}`,
    };
  } finally {
    await file.close();
    await rm(directory, { recursive: true, force: true });
  }
}
