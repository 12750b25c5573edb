import pg from 'pg';
import { type JobInsert, type JobWithMetadata, PgBoss } from 'pg-boss';
import type { JobKind } from '../../domain/execution/kinds.ts';
import type { Database } from '../database/connect.ts';
import { makeWithOthers } from '../database/own-tables.ts';
import { isBeingBuilt } from '../database/projection.ts';
import { inTransaction } from '../database/transaction.ts';
import { leaseSchema } from './leases.ts';
import type { Hold, JobQueue, Lease, QueuedJob, QueueSettings, TakenJob, WorkerProcess } from './port.ts';

export interface QueueOptions {
  readonly database: Database;
  readonly queues: readonly QueueSettings[];
  /** Whether this process tends the queue: removes what is over, and the like. */
  readonly supervises: boolean;
  /** Tending the queue failed; it is tried again. */
  readonly onError: (error: unknown) => void;
}

type Payload = Omit<QueuedJob, 'kind'>;
type Client = Pick<pg.PoolClient, 'query'>;

const schema = 'job_queue';
const deadLetters = 'DEAD_LETTERS';
const channel = 'shiplog_jobs';
/** A job may run for days; it is its worker's lock that says when it was lost. Seconds. */
const never = 10 * 365 * 24 * 3600;
/** For how long pg-boss keeps what is over, in seconds. */
const keptSeconds = 3600;
const longestRetrySeconds = 3600;

/** pg-boss reads int8 as text, which our own connections do not. */
const asPgBoss = (client: Client) => ({
  executeSql: (text: string, values?: unknown[]) =>
    client.query({ text, ...(values && { values }), types: pg.types }),
});

/**
 * The queue in PostgreSQL, beside the views: pg-boss hands out, and the leases of workers say who has what. Its tables are
 * there when it is used first.
 */
export function openPgBossQueue(options: QueueOptions): JobQueue {
  const { database, queues, supervises, onError } = options;
  const { pool } = database;
  const settingsOf = new Map(queues.map((settings) => [settings.kind as string, settings]));
  let boss: Promise<PgBoss> | undefined;

  async function start(): Promise<PgBoss> {
    await pool.query(leaseSchema);
    const started = new PgBoss({
      db: asPgBoss(pool),
      schema,
      schedule: false,
      supervise: supervises,
      registerInstance: false,
      monitorVacuum: false,
      openTelemetry: { enabled: false },
    });
    started.on('error', onError);
    await started.start();
    return started;
  }

  async function install(): Promise<PgBoss> {
    const ready = await makeWithOthers(start);
    await ready.createQueue(deadLetters, {
      retryLimit: 1000,
      retryDelay: 1,
      deleteAfterSeconds: keptSeconds,
    });
    for (const { kind, exclusive } of queues)
      await ready.createQueue(kind, {
        policy: exclusive ? 'singleton' : 'standard',
        deadLetter: deadLetters,
        deleteAfterSeconds: keptSeconds,
      });
    return ready;
  }

  /** Who drops the views' database drops the queue too, and the server goes on; a reactor fills it again. */
  async function withBoss<Result>(work: (boss: PgBoss) => Promise<Result>): Promise<Result> {
    const used = await installed();
    try {
      return await work(used);
    } catch (error) {
      if (!isBeingBuilt(error) && !isForgotten(error)) throw error;
      if ((await boss) === used) {
        boss = undefined;
        await stopBoss(used);
      }
      return work(await installed());
    }
  }

  /** Who failed to install it leaves that to the next one. */
  function installed(): Promise<PgBoss> {
    if (boss === undefined) {
      const installing = install();
      boss = installing;
      installing.catch(() => {
        if (boss === installing) boss = undefined;
      });
    }
    return boss;
  }

  const ask = <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
    withBoss(() => pool.query<Row>(text, [...values]));

  const inTransactionOf = <Result>(work: (client: pg.PoolClient, boss: PgBoss) => Promise<Result>) =>
    withBoss((made) => inTransaction(pool, (client) => work(client, made)));

  const inserted = ({ kind, ...payload }: QueuedJob): JobInsert<Payload> => {
    const { attempts = 1, retrySeconds = 1, exclusive = false } = settingsOf.get(kind) ?? {};
    return {
      id: payload.jobId,
      data: payload,
      retryLimit: attempts - 1,
      retryDelay: retrySeconds,
      retryBackoff: true,
      retryDelayMax: longestRetrySeconds,
      expireInSeconds: never,
      retentionSeconds: never,
      ...(exclusive && { singletonKey: String(payload.vendorId) }),
    };
  };

  const turnOf = ({ jobId, turn }: Hold) => ({ id: jobId, retryCount: turn });
  /** Resolves to whether the worker still had it. */
  const release = async (client: Client, { jobId, turn, workerId }: Hold): Promise<boolean> => {
    const text = 'DELETE FROM jobs.leases WHERE job_id = $1 AND turn = $2 AND worker_id = $3';
    return (await client.query(text, [jobId, turn, workerId])).rowCount === 1;
  };
  const wake = (client: Client = pool) => client.query(`SELECT pg_notify($1, '')`, [channel]);

  return {
    async add(jobs) {
      const byKind = Map.groupBy(jobs, ({ kind }) => kind);
      for (const [kind, some] of byKind)
        if (settingsOf.has(kind)) await withBoss((made) => made.insert(kind, some.map(inserted)));
      if (byKind.size > 0) await wake();
    },

    take: (kind, workerId, limit) =>
      inTransactionOf(async (client, made) => {
        const db = asPgBoss(client);
        const fetched = await made.fetch<Payload>(kind, { batchSize: limit, includeMetadata: true, db });
        const taken = fetched.map((job) => takenFrom(kind, workerId, job));
        if (taken.length > 0)
          await client.query(
            `INSERT INTO jobs.leases (job_id, worker_id, kind, task_id, execution_id, turn)
             SELECT job_id, $1, $2, task_id, execution_id, turn
             FROM unnest($3::text[], $4::int[], $5::int[], $6::int[]) AS t(job_id, task_id, execution_id, turn)
             ON CONFLICT (job_id) DO UPDATE SET worker_id = excluded.worker_id, turn = excluded.turn,
               to_stop = false, begun_at = now()`,
            [
              ...[workerId, kind, taken.map(({ jobId }) => jobId)],
              ...[taken.map(({ taskId }) => taskId), taken.map(({ executionId }) => executionId)],
              taken.map(({ turn }) => turn),
            ],
          );
        return taken;
      }),

    // Who is killed in between leaves a lease of a turn that is over, which says nothing to who finds it.
    done: (job) =>
      withBoss(async (made) => {
        await made.complete(job.kind, [turnOf(job)]);
        await release(pool, job);
      }),

    failed: (job, message) =>
      inTransactionOf(async (client, made) => {
        if (await release(client, job))
          await made.fail(job.kind, [turnOf(job)], { message }, { db: asPgBoss(client) });
      }),

    giveBack: (hold, pauseSeconds = 0) =>
      inTransactionOf(async (client) => {
        // It must still be this worker's: without that it would be handed out twice.
        if (!(await release(client, hold))) return;
        // The next time has the next turn, and one more is allowed for this one; earlier failures stay counted.
        await client.query(
          `UPDATE ${schema}.job SET state = 'retry', retry_limit = retry_limit + 1,
             start_after = now() + $4 * interval '1 second'
           WHERE name = $1 AND id = $2::uuid AND retry_count = $3 AND state = 'active'`,
          [hold.kind, hold.jobId, hold.turn, pauseSeconds],
        );
        if (pauseSeconds === 0) await wake(client);
      }),

    async takeDead(limit) {
      const dead = await withBoss((made) => made.fetch<Payload>(deadLetters, { batchSize: limit }));
      return dead.map(({ id, data: { taskId, executionId } }) => ({ deadId: id, taskId, executionId }));
    },

    async bury({ deadId }) {
      await withBoss((made) => made.complete(deadLetters, deadId));
    },

    async askToStop(jobIds) {
      const { rows } = await ask<LeaseRow>(
        'UPDATE jobs.leases SET to_stop = true WHERE job_id = ANY ($1::text[]) RETURNING job_id',
        [jobIds],
      );
      if (rows.length > 0) await wake();
      return rows.map(({ job_id }) => job_id);
    },

    async held(workerId) {
      const { rows } = await ask<LeaseRow>('SELECT * FROM jobs.leases WHERE worker_id = $1', [workerId]);
      return rows.map(({ kind, job_id: jobId, turn, to_stop: toStop }) => ({
        ...{ kind, jobId, workerId, turn, toStop },
      }));
    },

    async enter({ workerId, host, pid, concurrency }) {
      await ask(
        `INSERT INTO jobs.workers (worker_id, host, pid, concurrency) VALUES ($1, $2, $3, $4)
         ON CONFLICT (worker_id) DO UPDATE SET heard_at = now()`,
        [workerId, host, pid, concurrency],
      );
    },

    async leave(workerId) {
      await ask('DELETE FROM jobs.workers WHERE worker_id = $1', [workerId]);
    },

    async reap() {
      // The locks are let go at the end of the statement. A worker has its own before it makes itself known.
      const { rows: lost } = await ask<{ worker_id: string }>(
        `SELECT worker_id FROM jobs.workers
         WHERE pg_try_advisory_xact_lock(hashtextextended('shiplog.work.worker ' || worker_id, 0))`,
      );
      const { rows } = await ask<LeaseRow>(
        `SELECT * FROM jobs.leases WHERE worker_id = ANY ($1::text[])
         OR NOT EXISTS (SELECT FROM jobs.workers WHERE workers.worker_id = leases.worker_id)`,
        [lost.map(({ worker_id }) => worker_id)],
      );
      for (const { kind, job_id: jobId, turn } of rows)
        await inTransactionOf(async (client, made) => {
          const message = 'its worker was lost';
          const db = asPgBoss(client);
          await made.fail(kind, [{ id: jobId, retryCount: turn }], { message }, { db });
          await client.query('DELETE FROM jobs.leases WHERE job_id = $1 AND turn = $2', [jobId, turn]);
        });
      await ask('DELETE FROM jobs.workers WHERE worker_id = ANY ($1::text[])', [
        lost.map(({ worker_id }) => worker_id),
      ]);
      if (rows.length > 0) await wake();
      return rows.length;
    },

    async workers() {
      const { rows } = await ask<WorkerRow>('SELECT * FROM jobs.workers ORDER BY started_at, worker_id');
      return rows.map(workerIn);
    },

    async leases() {
      const { rows } = await ask<LeaseRow>('SELECT * FROM jobs.leases ORDER BY begun_at, job_id');
      return rows.map(leaseIn);
    },

    async place(kind, jobId) {
      // Nobody has ever done work of this kind.
      if ((await withBoss((made) => made.getQueue(kind))) === null) return undefined;
      const [job] = await withBoss((made) => made.findJobs<Payload>(kind, { id: jobId }));
      if (job === undefined) return undefined;
      const isWaiting = job.state === 'created' || job.state === 'retry';
      const state = isWaiting ? 'waiting' : job.state === 'active' ? 'taken' : 'over';
      const { singletonKey } = job;
      const rivals =
        isWaiting && singletonKey !== null
          ? await withBoss((made) => made.findJobs(kind, { key: singletonKey, limit: 100 }))
          : [];
      const hasRival = rivals.some((rival) => rival.state === 'active');
      return { state, startAfter: job.startAfter, hasRival };
    },

    async position() {
      const { rows } = await ask<{ position: bigint }>('SELECT position FROM jobs.reactor');
      return rows[0]?.position;
    },

    async setPosition(position) {
      await ask(
        `INSERT INTO jobs.reactor (position) VALUES ($1) ON CONFLICT (single) DO UPDATE SET position = $1`,
        [position],
      );
    },

    async movePosition(position) {
      const { rowCount } = await ask('UPDATE jobs.reactor SET position = $1', [position]);
      return rowCount === 1;
    },

    onWake: (onWake) => database.listen(channel, onWake),

    async close() {
      await boss?.then(stopBoss, () => undefined);
    },
  };
}

interface LeaseRow {
  readonly job_id: string;
  readonly worker_id: string;
  readonly kind: JobKind;
  readonly task_id: number;
  readonly execution_id: number;
  readonly turn: number;
  readonly to_stop: boolean;
  readonly begun_at: Date;
}

interface WorkerRow {
  readonly worker_id: string;
  readonly host: string;
  readonly pid: number;
  readonly concurrency: number;
  readonly started_at: Date;
  readonly heard_at: Date;
}

const takenFrom = (kind: JobKind, workerId: string, job: JobWithMetadata<Payload>): TakenJob => ({
  ...job.data,
  ...{ kind, workerId },
  jobId: job.id,
  turn: job.retryCount,
  isLast: job.retryCount >= job.retryLimit,
});

const leaseIn = (row: LeaseRow): Lease => ({
  workerId: row.worker_id,
  jobId: row.job_id,
  kind: row.kind,
  taskId: row.task_id,
  executionId: row.execution_id,
  begunAt: row.begun_at,
});

const workerIn = (row: WorkerRow): WorkerProcess => ({
  workerId: row.worker_id,
  host: row.host,
  pid: row.pid,
  concurrency: row.concurrency,
  startedAt: row.started_at,
  heardAt: row.heard_at,
});

/** pg-boss keeps in mind which queues there are, and says so in words when one is gone. */
const isForgotten = (error: unknown): boolean =>
  error instanceof Error && /^Queue .* does not exist$/.test(error.message);

const stopBoss = async (made: PgBoss): Promise<void> => {
  await made.stop({ graceful: false, close: false }).catch(() => undefined);
};
