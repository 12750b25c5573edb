/**
 * What the queue has beside the tables of pg-boss. One transaction; the lock is for processes that start at once: "if not
 * exists" does not keep PostgreSQL from creating twice.
 */
export const leaseSchema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.jobs', 0));
  CREATE SCHEMA IF NOT EXISTS jobs;
  CREATE TABLE IF NOT EXISTS jobs.workers (
    worker_id text COLLATE "C" PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    concurrency integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    heard_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE IF NOT EXISTS jobs.leases (
    job_id text COLLATE "C" PRIMARY KEY,
    worker_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    task_id integer NOT NULL,
    execution_id integer NOT NULL,
    turn integer NOT NULL,
    to_stop boolean NOT NULL DEFAULT false,
    begun_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX IF NOT EXISTS leases_by_worker ON jobs.leases (worker_id);
  CREATE TABLE IF NOT EXISTS jobs.reactor (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    position bigint NOT NULL
  )`;
