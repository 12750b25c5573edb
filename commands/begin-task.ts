import type { Metadata } from '../domain/event.ts';
import { type Task, taskDecider } from '../domain/task/decider.ts';
import { taskStream } from '../domain/task/events.ts';
import { decision, type Recorder } from './record.ts';
import type { TaskKey } from './stop-task.ts';

/** Resolves to how the task is now: begun, unless it is over or to stop. */
export const beginTask =
  ({ record }: { readonly record: Recorder }) =>
  async (task: TaskKey, metadata: Metadata): Promise<Task> => {
    const begun = decision(taskStream(task.taskId), taskDecider, { ...task, do: 'start' }, 'last');
    return (await record(metadata, begun)).states[0];
  };
