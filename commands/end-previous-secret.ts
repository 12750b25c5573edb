import type { Metadata } from '../domain/event.ts';
import { robotDecider } from '../domain/robot/decider.ts';
import { robotStream } from '../domain/robot/events.ts';
import { decision, type Recorder } from './record.ts';

/** Of a robot account; nothing happens where there is none. Resolves to the log's position. @throws Refusal `robot-unknown` */
export const endPreviousSecret =
  ({ record }: { readonly record: Recorder }) =>
  async (
    { name, robotId }: { readonly name: string; readonly robotId: number },
    metadata: Metadata,
  ): Promise<bigint> => {
    const command = { do: 'end-previous-secret', robotId } as const;
    return (await record(metadata, decision(robotStream(name), robotDecider, command))).position;
  };
