import type { Metadata } from '../domain/event.ts';
import { executionDecider } from '../domain/execution/decider.ts';
import { executionStream } from '../domain/execution/events.ts';
import { decision, type Recorder } from './record.ts';

/**
 * Asks an execution to stop: what waits does not begin, and what runs is told to end. Resolves to the log's position,
 * at once; that it has stopped is known when its tasks have ended. Of one that has ended nothing changes.
 * @throws Refusal `execution-unknown`
 */
export const stopExecution =
  ({ record }: { readonly record: Recorder }) =>
  async (executionId: number, metadata: Metadata): Promise<bigint> => {
    const command = { do: 'stop', executionId } as const;
    const stream = executionStream(executionId);
    return (await record(metadata, decision(stream, executionDecider, command))).position;
  };
