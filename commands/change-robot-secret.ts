import type { Metadata } from '../domain/event.ts';
import { robotDecider } from '../domain/robot/decider.ts';
import { robotStream } from '../domain/robot/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangeRobotSecret {
  readonly name: string;
  readonly robotId: number;
  readonly secret: string;
  /** How long the secret from before is good as well, so that nobody who has it is locked out; 0 ends it at once. */
  readonly overlapSeconds: number;
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
  async (
    { name, robotId, secret, overlapSeconds }: ChangeRobotSecret,
    metadata: Metadata,
  ): Promise<bigint> => {
    const secretHash = await hashPassword(secret);
    const previousUntil = overlapSeconds === 0 ? null : new Date(Date.now() + overlapSeconds * 1000);
    const command = { do: 'change-secret', robotId, secretHash, previousUntil } as const;
    return (await record(metadata, decision(robotStream(name), robotDecider, command))).position;
  };
