import { z } from 'zod';
import { beginTask } from '../commands/begin-task.ts';
import { type EndTask, endTask, failAttempt } from '../commands/end-task.ts';
import type { Recorder } from '../commands/record.ts';
import { stopTask } from '../commands/stop-task.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import type { JobJournal } from '../infra/job-journal/port.ts';
import type { JobQueue, TakenJob } from '../infra/job-queue/port.ts';
import { type AnyJobHandler, type JobResult, PermanentFailure } from './job.ts';
import { takeNotes } from './task-notes.ts';

export interface RunTaskPorts {
  readonly record: Recorder;
  readonly queue: Pick<JobQueue, 'done' | 'failed' | 'giveBack'>;
  readonly journal: JobJournal;
  /** Whether the execution was asked to stop, as far as the view shows. */
  isToStop(executionId: number): Promise<boolean>;
  /** Whether an error says no more than that an engine is away for now. */
  isOutage(error: unknown, job: TakenJob): boolean;
  /** Is told of what a handler threw that no refusal explains. */
  onFailure(error: unknown, job: TakenJob): void;
}

/** Before a job is begun again that found an engine away, in seconds; longer each time, up to the longest. */
const outagePauseSeconds = 5;
const longestPauseSeconds = 300;

/** Why a job has to end: somebody asked for that, or its worker ends or has lost the job. */
export type Ending = 'stopped' | 'worker-ends';

/** The events of all that a task does share the number of its execution. */
export const metadataOfTask = ({ executionId }: { readonly executionId: number }): Metadata => ({
  actor: 'system',
  correlationId: `execution/${executionId}`,
});

/**
 * Does one job that the queue has handed out, from the record of its beginning to that of its end. What is recorded
 * decides: who is killed between that and the queue finds it over when the job is handed out again.
 * @param ending is aborted, with an `Ending` as the reason, when it has to end.
 */
export const runTask =
  ({ record, queue, journal, isToStop, isOutage, onFailure }: RunTaskPorts) =>
  async (handler: AnyJobHandler, job: TakenJob, ending: AbortSignal): Promise<void> => {
    const { kind, taskId, executionId, jobId, vendorId } = job;
    const which = { taskId, executionId };
    const metadata = metadataOfTask(job);
    const end = (outcome: Omit<EndTask, 'taskId' | 'executionId'>) =>
      endTask({ record })({ ...which, ...outcome }, metadata);

    // Its tasks are stopped one after the other, which this one may be before.
    if (await isToStop(executionId)) await stopTask({ record })(which, metadata);
    const { finished, stopRequested, attempts } = await beginTask({ record })(which, metadata);
    if (finished) return queue.done(job);
    if (stopRequested) {
      await end({ status: 'Stopped', message: 'stopped' });
      return queue.done(job);
    }
    const notes = await takeNotes(journal, taskId, attempts);
    if (attempts > 1) notes.log(`attempt ${attempts}`);
    const outcome = await attempt();
    if (outcome.way === 'failed') notes.log(outcome.message, 'error');
    await notes.close();

    switch (outcome.way) {
      case 'done':
        await end({ status: 'Success', result: outcome.result });
        return queue.done(job);
      case 'stopped':
        await end({ status: 'Stopped', result: outcome.result, message: 'stopped' });
        return queue.done(job);
      case 'given-back':
        return queue.giveBack(job, outcome.pauseSeconds);
      case 'failed': {
        const { message, isFinal } = outcome;
        if (isFinal) await end({ status: 'Error', message });
        else await failAttempt({ record })({ ...which, attempt: attempts, message }, metadata);
        return isFinal && !job.isLast ? queue.done(job) : queue.failed(job, message);
      }
    }

    async function attempt(): Promise<Outcome> {
      const parsed = handler.parameters.safeParse(job.parameters);
      if (!parsed.success)
        return {
          way: 'failed',
          isFinal: true,
          message: `the parameters are wrong: ${z.prettifyError(parsed.error)}`,
        };
      const given = { kind, ...which, jobId, vendorId, parameters: parsed.data, attempt: attempts };
      try {
        const result = await handler.run(given, { ...notes, stopping: ending });
        if (!ending.aborted) return { way: 'done', result };
        // It cannot be told whether it was through with it; to do it again is safe.
        return isStopped() ? { way: 'stopped', result } : { way: 'given-back' };
      } catch (error) {
        if (ending.aborted) return isStopped() ? { way: 'stopped', result: {} } : { way: 'given-back' };
        if (isOutage(error, job)) {
          // Nothing is wrong with the job, so that this does not count.
          notes.log(`it is begun again when that is over: ${messageOf(error)}`, 'warn');
          const pauseSeconds = Math.min(outagePauseSeconds * 2 ** job.turn, longestPauseSeconds);
          return { way: 'given-back', pauseSeconds };
        }
        const isPermanent = error instanceof PermanentFailure || error instanceof Refusal;
        if (!isPermanent) onFailure(error, job);
        return { way: 'failed', isFinal: isPermanent || job.isLast, message: messageOf(error) };
      }
    }

    function isStopped(): boolean {
      return ending.reason === ('stopped' satisfies Ending);
    }
  };

type Outcome =
  | { readonly way: 'done' | 'stopped'; readonly result: JobResult }
  | { readonly way: 'given-back'; readonly pauseSeconds?: number }
  | { readonly way: 'failed'; readonly message: string; readonly isFinal: boolean };

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
