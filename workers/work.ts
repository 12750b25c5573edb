import { setTimeout as sleep } from 'node:timers/promises';
import { type JobQueue, type TakenJob, workerLock } from '../infra/job-queue/port.ts';
import type { AnyJobHandler } from './job.ts';
import type { Ending } from './run-task.ts';

/** How often it is asked for jobs, where nothing says that there are some; also how often it gives a sign of life. */
const pollMs = 2000;
/** Between attempts while the database or the log is away. */
const outagePauseMs = 1000;
/** How long jobs have to end when the process ends. */
const endingMs = 10_000;

/** Runs `work` while no other process on this database runs any under the same name; see `aloneIn`. */
export type AloneAs = (
  name: string,
) => <Result>(work: (lost: AbortSignal) => Promise<Result>) => Promise<Result | undefined>;

export interface WorkPorts {
  readonly queue: JobQueue;
  readonly handlers: readonly AnyJobHandler[];
  runTask(handler: AnyJobHandler, job: TakenJob, ending: AbortSignal): Promise<void>;
  pausedKinds(): Promise<ReadonlySet<string>>;
  readonly aloneAs: AloneAs;
  /** A new UUID. */
  readonly newWorkerId: () => string;
  readonly host: string;
  readonly pid: number;
  /** How many jobs at once. */
  readonly concurrency: number;
  /** The database or the log is away, or a job could not be answered for; it goes on by itself. */
  onOutage(error: unknown): void;
}

export interface Working {
  /**
   * Tells the jobs to end, and waits for them for a bounded time. Of what has not ended by then the lock is held on until
   * it has, or the process ends, so that nobody begins it beside.
   */
  stop(): Promise<void>;
}

/**
 * Takes jobs and does them for as long as it runs. While it lives it holds a lock, by which others see that its jobs are
 * in good hands; who loses the lock tells its jobs to end, and begins anew.
 */
export function keepWorking(ports: WorkPorts): Working {
  const { queue, handlers, newWorkerId, aloneAs, onOutage } = ports;
  const closing = new AbortController();
  const working = untilClosed();

  async function untilClosed(): Promise<void> {
    while (!closing.signal.aborted) {
      const workerId = newWorkerId();
      try {
        await aloneAs(workerLock(workerId))((lost) => workAs(workerId, lost));
      } catch (error) {
        if (closing.signal.aborted) return;
        onOutage(error);
        await sleep(outagePauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
  }

  async function workAs(workerId: string, lost: AbortSignal): Promise<void> {
    const running = new Map<string, RunningJob>();
    const over = AbortSignal.any([closing.signal, lost]);
    let wake = Promise.withResolvers<void>();
    /** The kinds of which there may be more. */
    const more = new Set<AnyJobHandler>();
    let paused: ReadonlySet<string> = new Set();
    let lookAt = 0;
    const listening = await queue.onWake(lookAgain);
    over.addEventListener('abort', () => wake.resolve(), { once: true });
    try {
      while (!over.aborted) {
        wake = Promise.withResolvers();
        try {
          if (performance.now() >= lookAt) await look();
          await takeJobs();
        } catch (error) {
          onOutage(error);
          await sleep(outagePauseMs, undefined, { signal: over }).catch(() => undefined);
        }
        const rest = sleep(Math.max(0, lookAt - performance.now()), undefined, { ref: false });
        if (more.size === 0 || running.size >= ports.concurrency) await Promise.race([wake.promise, rest]);
      }
    } finally {
      await listening.close();
      await endAll();
    }
    if (lost.aborted) throw lost.reason;
    await allEnded();
    await queue.leave(workerId);

    function lookAgain(): void {
      lookAt = 0;
      wake.resolve();
    }

    /** Now and again, and when something says so: the rest of the time it goes on with what it has found. */
    async function look(): Promise<void> {
      lookAt = performance.now() + pollMs;
      await queue.enter({ ...ports, workerId });
      await compareHolds();
      paused = await ports.pausedKinds();
      for (const handler of handlers) more.add(handler);
    }

    async function compareHolds(): Promise<void> {
      const before = new Map(running);
      const held = new Map((await queue.held(workerId)).map((hold) => [hold.jobId, hold]));
      for (const hold of held.values()) {
        if (hold.toStop) running.get(hold.jobId)?.ending.abort('stopped' satisfies Ending);
        // It was handed out with an answer that was lost: nobody would do it for as long as this worker lives.
        if (running.get(hold.jobId)?.turn !== hold.turn) await queue.giveBack(hold);
      }
      // The queue was lost, or took this worker for lost: others get the job, if they do not have it.
      for (const [jobId, { turn, ending }] of before)
        if (held.get(jobId)?.turn !== turn) ending.abort('worker-ends' satisfies Ending);
    }

    async function takeJobs(): Promise<void> {
      for (const handler of [...more]) {
        const free = ports.concurrency - running.size;
        if (free === 0 || over.aborted) return;
        // To the end of the line: one of which there is always more would keep all others waiting.
        more.delete(handler);
        if (paused.has(handler.kind)) continue;
        const taken = await queue.take(handler.kind, workerId, free);
        for (const job of taken) start(handler, job);
        if (taken.length === free) more.add(handler);
      }
    }

    function start(handler: AnyJobHandler, job: TakenJob): void {
      const ending = new AbortController();
      if (over.aborted) ending.abort('worker-ends' satisfies Ending);
      const ended = ports
        .runTask(handler, job, ending.signal)
        // Its lease stays with a worker that lives, so that nobody else would go on with it.
        .catch((error: unknown) => answerLater(job, error))
        .finally(() => {
          running.delete(job.jobId);
          // Of what is done one after the other, the next one was held back by this one.
          more.add(handler);
          wake.resolve();
        });
      running.set(job.jobId, { turn: job.turn, ending, ended });
    }

    async function answerLater(job: TakenJob, error: unknown): Promise<void> {
      onOutage(error);
      while (!lost.aborted) {
        await sleep(outagePauseMs, undefined, { ref: false });
        try {
          return await queue.giveBack(job);
        } catch (again) {
          onOutage(again);
          // When the process ends, the lock does, and somebody takes the job from it.
          if (closing.signal.aborted) return;
        }
      }
    }

    async function endAll(): Promise<void> {
      for (const { ending } of running.values()) ending.abort('worker-ends' satisfies Ending);
      await Promise.race([allEnded(), sleep(endingMs, undefined, { ref: false })]);
    }

    async function allEnded(): Promise<void> {
      await Promise.all([...running.values()].map(({ ended }) => ended));
    }
  }

  return {
    async stop() {
      closing.abort();
      await Promise.race([working, sleep(endingMs, undefined, { ref: false })]);
    },
  };
}

interface RunningJob {
  readonly turn: number;
  readonly ending: AbortController;
  readonly ended: Promise<void>;
}
