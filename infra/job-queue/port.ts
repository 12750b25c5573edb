import type { JobKind } from '../../domain/execution/kinds.ts';

/** A task as the queue holds it. */
export interface QueuedJob {
  /** A UUID; of two jobs with one id the queue holds the first. */
  readonly jobId: string;
  readonly kind: JobKind;
  readonly taskId: number;
  readonly executionId: number;
  readonly vendorId: number;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** How the jobs of a kind are handed out. */
export interface QueueSettings {
  readonly kind: JobKind;
  /** How often a job is handed out at most, also to workers that were lost. */
  readonly attempts: number;
  /** The pause after the first failure, in seconds; each next one is twice as long. */
  readonly retrySeconds: number;
  /** Whether of the jobs for one vendor only one is handed out at a time. */
  readonly exclusive: boolean;
}

/** Which job a worker has, and what tells that from every other time that it was handed out. */
export interface Hold {
  readonly kind: JobKind;
  readonly jobId: string;
  readonly workerId: string;
  /** Grows each time that it is handed out: who answers for an earlier time changes nothing. */
  readonly turn: number;
}

/** A job that a worker has, until it is done, has failed or the worker is lost. */
export interface TakenJob extends QueuedJob, Hold {
  /** Whether it is not handed out again when it fails. */
  readonly isLast: boolean;
}

/** A job that was handed out as often as it may be. */
export interface DeadJob {
  /** What the queue knows it by, now that it is dead. */
  readonly deadId: string;
  readonly taskId: number;
  readonly executionId: number;
}

export interface WorkerProcess {
  readonly workerId: string;
  readonly host: string;
  readonly pid: number;
  /** How many jobs it has at once, at most. */
  readonly concurrency: number;
  readonly startedAt: Date;
  /** When it was last heard of. */
  readonly heardAt: Date;
}

/** What a worker has at the moment. */
export interface Lease {
  readonly workerId: string;
  readonly jobId: string;
  readonly kind: JobKind;
  readonly taskId: number;
  readonly executionId: number;
  readonly begunAt: Date;
}

/** How a job is in the queue. */
export interface JobPlace {
  readonly state: 'waiting' | 'taken' | 'over';
  /** Not before then. */
  readonly startAfter: Date;
  /** Whether another one for the same vendor is taken, which it has to wait for. */
  readonly hasRival: boolean;
}

/**
 * Hands out jobs to workers. It holds nothing that the views do not say, so that it can be filled again; every method
 * rejects while its database is away.
 */
export interface JobQueue {
  /** Adds what it does not hold yet, and wakes workers. */
  add(jobs: readonly QueuedJob[]): Promise<void>;

  /** Hands out jobs of `kind` to the worker, the ones that wait longest first; at most `limit`. */
  take(kind: JobKind, workerId: string, limit: number): Promise<readonly TakenJob[]>;
  /** The job is over, whatever came of it. */
  done(job: TakenJob): Promise<void>;
  /** The job is handed out again after a pause that grows with each time, or is dead. */
  failed(job: TakenJob, message: string): Promise<void>;
  /** The job is handed out again after `pauseSeconds`, and this time does not count; nothing where the worker has lost it. */
  giveBack(hold: Hold, pauseSeconds?: number): Promise<void>;

  takeDead(limit: number): Promise<readonly DeadJob[]>;
  /** Forgets a dead job. */
  bury(job: DeadJob): Promise<void>;

  /** Who has the job is told to end it. Resolves to the jobs that somebody has. */
  askToStop(jobIds: readonly string[]): Promise<readonly string[]>;
  /** What the worker has, and which of it is to end. */
  held(workerId: string): Promise<readonly (Hold & { readonly toStop: boolean })[]>;

  /** Makes a worker known, who holds a lock for as long as it lives; again and again, as a sign of life. */
  enter(worker: Omit<WorkerProcess, 'startedAt' | 'heardAt'>): Promise<void>;
  leave(workerId: string): Promise<void>;
  /** Takes their jobs from workers whose lock is free; resolves to how many jobs. */
  reap(): Promise<number>;

  workers(): Promise<readonly WorkerProcess[]>;
  leases(): Promise<readonly Lease[]>;
  /** Undefined where it does not hold the job. */
  place(kind: JobKind, jobId: string): Promise<JobPlace | undefined>;

  /** Up to which position of the log it was filled; undefined where it never was, or was lost. */
  position(): Promise<bigint | undefined>;
  setPosition(position: bigint): Promise<void>;
  /** Moves a position that there is; false where it was lost, with all that was in the queue. */
  movePosition(position: bigint): Promise<boolean>;

  /** Is called when there may be something to take, or a job that is to end. */
  onWake(wake: () => void): Promise<{ close(): Promise<void> }>;

  close(): Promise<void>;
}

/** The lock that a worker holds as long as it lives, by the words of `aloneIn`. */
export const workerLock = (workerId: string): string => `worker ${workerId}`;
