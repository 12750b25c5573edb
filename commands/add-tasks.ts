import type { Metadata } from '../domain/event.ts';
import { executionDecider } from '../domain/execution/decider.ts';
import { executionStream } from '../domain/execution/events.ts';
import { decision } from './record.ts';
import { type ExecutionPorts, maxTasksAtOnce, type NewTask, requestedTasks } from './start-execution.ts';

/**
 * Adds tasks to an execution, for a task of it that runs; in parts where they are many. Those whose key it has already
 * are not added once more, so that who was killed in between adds all again; to one that is to stop none is added.
 * Resolves to the log's position. @throws Refusal `execution-unknown`
 */
export const addTasks =
  (ports: ExecutionPorts) =>
  async (
    executionId: number,
    tasks: readonly (NewTask & { readonly key: string })[],
    metadata: Metadata,
  ): Promise<bigint> => {
    let reached = 0n;
    for (let start = 0; start < tasks.length; start += maxTasksAtOnce) {
      const some = await requestedTasks(ports, tasks.slice(start, start + maxTasksAtOnce), metadata);
      const command = { do: 'add', executionId, tasks: some } as const;
      const added = decision(executionStream(executionId), executionDecider, command);
      const { position } = await ports.record(metadata, added);
      if (position > reached) reached = position;
    }
    return reached;
  };
