import { endTask } from '../commands/end-task.ts';
import type { Recorder } from '../commands/record.ts';
import type { JobQueue } from '../infra/job-queue/port.ts';
import { pause } from './pause.ts';
import { metadataOfTask } from './run-task.ts';
import type { AloneAs } from './work.ts';

/** How often it is looked whether a worker was lost, and how soon another process takes over, in milliseconds. */
const reapEveryMs = 1000;
const takeOverMs = 3000;
const outagePauseMs = 1000;
const deadAtOnce = 100;

export interface TendPorts {
  readonly queue: Pick<JobQueue, 'reap' | 'takeDead' | 'bury'>;
  readonly record: Recorder;
  readonly aloneAs: AloneAs;
  /** See `enqueueTasks`. */
  enqueueTasks(signal: AbortSignal): Promise<void>;
  /** See `fireSchedules`. */
  fireSchedules(signal: AbortSignal): Promise<void>;
  /** The database or the log is away; it goes on by itself. */
  onOutage(error: unknown): void;
}

/**
 * What one process of an installation does for the jobs of all: it fills the queue, starts what the clock says, takes
 * their jobs from workers that were lost, and records the failure of those that nobody is to try again.
 */
export function keepTendingJobs(ports: TendPorts): { stop(): Promise<void> } {
  const { queue, record, aloneAs, onOutage } = ports;
  const closing = new AbortController();
  const tending = untilClosed();

  async function untilClosed(): Promise<void> {
    const alone = aloneAs('jobs');
    while (!closing.signal.aborted) {
      try {
        await alone((lost) => tend(AbortSignal.any([closing.signal, lost])));
        await pause(takeOverMs, closing.signal);
      } catch (error) {
        if (closing.signal.aborted) return;
        onOutage(error);
        await pause(outagePauseMs, closing.signal);
      }
    }
  }

  async function tend(over: AbortSignal): Promise<void> {
    await Promise.all([
      ports.fireSchedules(over),
      again(over, () => ports.enqueueTasks(over)),
      again(over, async () => {
        while (!over.aborted) {
          await queue.reap();
          await buryDead();
          await pause(reapEveryMs, over);
        }
      }),
    ]);
  }

  async function again(over: AbortSignal, work: () => Promise<void>): Promise<void> {
    while (!over.aborted) {
      try {
        await work();
      } catch (error) {
        if (over.aborted) return;
        onOutage(error);
        await pause(outagePauseMs, over);
      }
    }
  }

  /** Of what has ended by itself nothing changes: this is for jobs whose workers were lost each time. */
  async function buryDead(): Promise<void> {
    for (const dead of await queue.takeDead(deadAtOnce)) {
      const message = 'its worker was lost, as often as it may be begun';
      const { taskId, executionId } = dead;
      await endTask({ record })({ taskId, executionId, status: 'Error', message }, metadataOfTask(dead));
      await queue.bury(dead);
    }
  }

  return {
    async stop() {
      closing.abort();
      await tending;
    },
  };
}
