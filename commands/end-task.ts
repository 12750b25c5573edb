import type { Metadata } from '../domain/event.ts';
import { type TaskOutcome, taskDecider } from '../domain/task/decider.ts';
import { taskStream } from '../domain/task/events.ts';
import { decision, type Recorder } from './record.ts';
import type { TaskKey } from './stop-task.ts';

export interface EndTask extends TaskKey {
  readonly status: TaskOutcome;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly message?: string;
}

/** A message of an error may be of any length. */
const maxMessage = 2000;

/** Records how a task has ended, once: of one that has ended nothing changes. */
export const endTask =
  ({ record }: { readonly record: Recorder }) =>
  async ({ status, result = {}, message = '', ...task }: EndTask, metadata: Metadata): Promise<bigint> => {
    const command = { ...task, do: 'finish', status, result, message: shortened(message) } as const;
    return (await record(metadata, decision(taskStream(task.taskId), taskDecider, command, 'last'))).position;
  };

/** Records that an attempt has failed and that there will be another one. */
export const failAttempt =
  ({ record }: { readonly record: Recorder }) =>
  async (
    { attempt, message, ...task }: TaskKey & { readonly attempt: number; readonly message: string },
    metadata: Metadata,
  ): Promise<bigint> => {
    const command = { ...task, do: 'fail', attempt, message: shortened(message) } as const;
    return (await record(metadata, decision(taskStream(task.taskId), taskDecider, command, 'last'))).position;
  };

const shortened = (message: string): string => message.slice(0, maxMessage).toWellFormed();
