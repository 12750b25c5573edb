import type { Metadata } from '../domain/event.ts';
import { type ExecutionStart, executionDecider } from '../domain/execution/decider.ts';
import { executionStream, type RequestedTask } from '../domain/execution/events.ts';
import type { AllocateIds } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

export interface ExecutionPorts {
  readonly record: Recorder;
  readonly allocateIds: AllocateIds;
  /** A new UUID. */
  readonly newJobId: () => string;
}

export interface NewTask {
  /** What tells it from the other tasks of the execution; its place among them where it is left out. */
  readonly key?: string;
  /** JSON of some kilobytes at most, which the record keeps for ever: no secrets, and no personal data. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface StartExecution extends Omit<ExecutionStart, 'executionId'> {
  /** The first tasks, at least one and at most `maxTasksAtOnce`; each can add others while it runs. */
  readonly tasks: readonly NewTask[];
}

/** As many tasks are asked for in one event, which is far below what an engine takes. */
export const maxTasksAtOnce = 500;

/** Asks for work, which begins as soon as a worker is free. */
export const startExecution =
  ({ record, allocateIds, newJobId }: ExecutionPorts) =>
  async (
    { tasks, ...start }: StartExecution,
    metadata: Metadata,
  ): Promise<{ readonly executionId: number; readonly position: bigint }> => {
    if (tasks.length === 0 || tasks.length > maxTasksAtOnce)
      throw new Error(`an execution starts with 1 to ${maxTasksAtOnce} tasks, not ${tasks.length}`);
    const [executionId = 0] = await allocateIds('execution', 1, metadata);
    const requested = await requestedTasks({ allocateIds, newJobId }, tasks, metadata);
    const command = { do: 'start', executionId, ...start, tasks: requested } as const;
    const { position } = await record(
      metadata,
      decision(executionStream(executionId), executionDecider, command),
    );
    return { executionId, position };
  };

/** The tasks with the numbers that they are known by. */
export async function requestedTasks(
  { allocateIds, newJobId }: Omit<ExecutionPorts, 'record'>,
  tasks: readonly NewTask[],
  metadata: Metadata,
): Promise<RequestedTask[]> {
  const taskIds = await allocateIds('task', tasks.length, metadata);
  return tasks.map(({ key, parameters }, index) => ({
    taskId: taskIds[index] ?? 0,
    jobId: newJobId(),
    key: key ?? String(index),
    parameters,
  }));
}
