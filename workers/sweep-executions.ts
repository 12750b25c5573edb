import { z } from 'zod';
import { happened, type Recorder } from '../commands/record.ts';
import { executionSweepStream } from '../domain/execution-sweep/events.ts';
import type { JobJournal } from '../infra/job-journal/port.ts';
import type { JobResults } from '../infra/job-results/port.ts';
import type { JobHandler } from './job.ts';
import { metadataOfTask } from './run-task.ts';

/** How many executions of one kind for one policy or the like are listed, beside those that have not ended. */
const keptExecutions = 50;
/** So many go with one event, of as many as are found at once: to find them, all that are listed are read. */
const atOnce = 200;
const foundAtOnce = 20_000;

/** How long what tasks have found can be read at most. */
const resultDays = 90;
/** Of so many tasks it is forgotten in one transaction. */
const resultsAtOnce = 200;

export interface SweepExecutionsPorts {
  readonly record: Recorder;
  readonly journal: Pick<JobJournal, 'forget'>;
  readonly results: Pick<JobResults, 'forget' | 'sweep'>;
  /** Forgets the exports of the audit log that have expired. Resolves to how many. */
  sweepExports(): Promise<number>;
  /** Executions that have ended and are not among the last `keep` of their kind and vendor. */
  sweepable(keep: number, limit: number): Promise<readonly number[]>;
  taskIdsOf(executionIds: readonly number[]): Promise<readonly number[]>;
  /** Resolves when the view of executions shows the position. */
  reached(position: bigint): Promise<void>;
}

/**
 * Takes old executions, the logs of their tasks and what these have found out of the lists; what they did stays recorded.
 * What was found is also forgotten when it is too old, though the execution stays.
 */
export const sweepExecutions = ({
  record,
  journal,
  results,
  sweepExports,
  sweepable,
  taskIdsOf,
  reached,
}: SweepExecutionsPorts): JobHandler<{ readonly keep: number }> => ({
  kind: 'EXECUTION_SWEEP',
  parameters: z.object({ keep: z.int().min(1).max(10_000).default(keptExecutions) }),
  exclusive: true,

  async run({ taskId, executionId, parameters: { keep } }, { stopping, log, progress }) {
    let swept = 0;
    let found: readonly number[] = [];
    while (!stopping.aborted) {
      if (found.length === 0) found = await sweepable(keep, foundAtOnce);
      if (found.length === 0) break;
      const executionIds = found.slice(0, atOnce);
      found = found.slice(atOnce);
      // First what no event takes away, so that nothing of it is left when this is interrupted.
      const taskIds = await taskIdsOf(executionIds);
      await Promise.all([journal.forget(taskIds), results.forget(taskIds)]);
      const event = { type: 'ExecutionsSwept', data: { taskId, executionIds } } as const;
      const stream = executionSweepStream(taskId);
      await reached((await record(metadataOfTask({ executionId }), happened(stream, event))).position);
      swept += executionIds.length;
      progress({ stage: 'sweeping', done: swept });
    }
    log(`${swept} executions were taken out of the lists`);
    await sweepExports();
    const before = new Date(Date.now() - resultDays * 24 * 60 * 60 * 1000);
    for (let more = true; more && !stopping.aborted; )
      more = (await results.sweep(before, resultsAtOnce)) === resultsAtOnce;
    return { swept };
  },
});
