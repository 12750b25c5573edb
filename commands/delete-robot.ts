import type { Metadata } from '../domain/event.ts';
import { robotDecider } from '../domain/robot/decider.ts';
import { robotStream } from '../domain/robot/events.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. @throws Refusal `robot-unknown` */
export const deleteRobot =
  ({ record }: { readonly record: Recorder }) =>
  async (
    { name, robotId }: { readonly name: string; readonly robotId: number },
    metadata: Metadata,
  ): Promise<bigint> =>
    (await record(metadata, decision(robotStream(name), robotDecider, { do: 'delete', robotId }))).position;
