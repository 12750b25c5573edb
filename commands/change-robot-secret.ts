import type { Metadata } from '../domain/event.ts';
import { robotDecider } from '../domain/robot/decider.ts';
import { robotStream } from '../domain/robot/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangeRobotSecret {
  readonly name: string;
  readonly robotId: number;
  readonly secret: string;
}

/** Resolves to the log's position. @throws Refusal `robot-unknown` */
export const changeRobotSecret =
  ({
    record,
    hashPassword,
  }: {
    readonly record: Recorder;
    hashPassword(password: string): Promise<string>;
  }) =>
  async ({ name, robotId, secret }: ChangeRobotSecret, metadata: Metadata): Promise<bigint> => {
    const secretHash = await hashPassword(secret);
    const changed = decision(robotStream(name), robotDecider, { do: 'change-secret', robotId, secretHash });
    return (await record(metadata, changed)).position;
  };
