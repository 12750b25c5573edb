import type { Metadata } from '../domain/event.ts';
import { taskDecider } from '../domain/task/decider.ts';
import { taskStream } from '../domain/task/events.ts';
import { decision, type Recorder } from './record.ts';

export interface TaskKey {
  readonly taskId: number;
  readonly executionId: number;
}

/** Ends a task that waits, and asks one that runs to end. Resolves to the log's position. */
export const stopTask =
  ({ record }: { readonly record: Recorder }) =>
  async (task: TaskKey, metadata: Metadata): Promise<bigint> => {
    const stopped = decision(taskStream(task.taskId), taskDecider, { ...task, do: 'stop' }, 'last');
    return (await record(metadata, stopped)).position;
  };
