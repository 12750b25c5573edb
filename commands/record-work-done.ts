import type { Metadata } from '../domain/event.ts';
import { executionDecider } from '../domain/execution/decider.ts';
import { executionStream } from '../domain/execution/events.ts';
import type { JobKind } from '../domain/execution/kinds.ts';
import { noVendor } from '../domain/execution/kinds.ts';
import { type TaskOutcome, taskDecider } from '../domain/task/decider.ts';
import { taskStream } from '../domain/task/events.ts';
import { decision } from './record.ts';
import { type ExecutionPorts, requestedTasks } from './start-execution.ts';

export interface RecordWorkDone {
  readonly kind: JobKind;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly status: TaskOutcome;
  readonly result: Readonly<Record<string, unknown>>;
  /** Why it has failed; empty otherwise. */
  readonly message: string;
}

/**
 * Records work that was done without the queue as an execution that has ended, so that it is listed with the others. A
 * worker that finds the task before its end is recorded, where the engine of the log appends one by one, does the work
 * once more.
 */
export const recordWorkDone =
  ({ record, ...ports }: ExecutionPorts) =>
  async (
    { kind, parameters, status, result, message }: RecordWorkDone,
    metadata: Metadata,
  ): Promise<bigint> => {
    const [executionId = 0] = await ports.allocateIds('execution', 1, metadata);
    const tasks = await requestedTasks(ports, [{ parameters }], metadata);
    const taskId = tasks[0]?.taskId ?? 0;
    const start = { do: 'start', executionId, kind, vendorId: noVendor, trigger: 'MANUAL' } as const;
    const finish = { do: 'finish', taskId, executionId, status, result, message } as const;
    const { position } = await record(
      metadata,
      decision(executionStream(executionId), executionDecider, { ...start, parameters, tasks }),
      decision(taskStream(taskId), taskDecider, finish),
    );
    return position;
  };
