import type { z } from 'zod';
import type { JobKind } from '../domain/execution/kinds.ts';

/** One task of an execution, as its handler gets it. */
export interface Job<Parameters> {
  readonly kind: JobKind;
  readonly executionId: number;
  readonly taskId: number;
  /** The id by which the queue knows it; a UUID. */
  readonly jobId: string;
  /** The number of the policy or the like that it is done for, `noVendor` where there is none. */
  readonly vendorId: number;
  readonly parameters: Parameters;
  /** How often it was begun, this time included: what an earlier attempt has done may be there. */
  readonly attempt: number;
}

export type LogLevel = 'info' | 'warn' | 'error';

/** How far a job is. */
export interface JobProgress {
  /** What it is at, in a few words. */
  readonly stage: string;
  /** How many things of the stage are done, and of how many, where that is known. */
  readonly done: number;
  readonly total?: number;
  /** Bytes that are done, and of how many, where it is about bytes. */
  readonly bytes?: number;
  readonly totalBytes?: number;
}

/** What a handler says and hears while it runs; none of it waits for anything. */
export interface JobRun {
  /** Aborted when it has to end soon: it is asked to stop, the process ends, or another worker may have taken the job. */
  readonly stopping: AbortSignal;
  /** A line, or several, for who reads the log of the task; neither secrets nor personal data. */
  log(text: string, level?: LogLevel): void;
  progress(progress: JobProgress): void;
}

/** JSON of some kilobytes at most, which the record keeps for ever. */
export type JobResult = Readonly<Record<string, unknown>>;

/**
 * Who does the jobs of a kind. A job may be begun more than once: when its worker was killed, or lost the database, and
 * after a failure. So what it does must be safe to do again, as that of a command is which decides on the state that is.
 */
export interface JobHandler<Parameters = unknown> {
  readonly kind: JobKind;
  readonly parameters: z.ZodType<Parameters>;
  /** How often a job is begun at most, before its failure is final; 4 where it is left out. */
  readonly attempts?: number;
  /** The pause before it is tried again, in seconds; each next one is twice as long. 10 where it is left out. */
  readonly retrySeconds?: number;
  /** Whether of the jobs for one vendor only one runs at a time. */
  readonly exclusive?: boolean;
  /**
   * Resolves when the job is done, or has ended early because `run.stopping` says so. What it throws is tried again
   * after a pause, but for a `PermanentFailure` or a `Refusal`, which would only be the same again.
   */
  run(job: Job<Parameters>, run: JobRun): Promise<JobResult>;
}

/** A handler whatever its parameters are, which are read by its own schema. */
// biome-ignore lint/suspicious/noExplicitAny: a list of handlers has no common type of parameters.
export type AnyJobHandler = JobHandler<any>;

/** Trying again would be in vain, such as when what the job is done for is gone. The message is for who looks. */
export class PermanentFailure extends Error {
  override readonly name = 'PermanentFailure';
}
