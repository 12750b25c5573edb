import type { Metadata } from '../domain/event.ts';
import { type RobotSettings, robotDecider } from '../domain/robot/decider.ts';
import { robotStream } from '../domain/robot/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangeRobot extends RobotSettings {
  readonly name: string;
  readonly robotId: number;
}

/** Resolves to the log's position. @throws Refusal `robot-unknown` */
export const changeRobot =
  ({ record }: { readonly record: Recorder }) =>
  async ({ name, ...change }: ChangeRobot, metadata: Metadata): Promise<bigint> => {
    const command = { do: 'change', ...change } as const;
    return (await record(metadata, decision(robotStream(name), robotDecider, command))).position;
  };
