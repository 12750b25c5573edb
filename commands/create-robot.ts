import type { Metadata } from '../domain/event.ts';
import { requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { type CreateRobot as Decided, robotDecider } from '../domain/robot/decider.ts';
import { robotStream } from '../domain/robot/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

export interface CreateRobot extends Omit<Decided, 'robotId' | 'secretHash' | 'now'> {
  /** What it logs in with; recorded as a hash alone. */
  readonly secret: string;
}

export interface CreateRobotPorts {
  readonly record: Recorder;
  readonly allocateId: AllocateId;
  hashPassword(password: string): Promise<string>;
}

/** @throws Refusal `robot-exists`, `project-unknown` */
export const createRobot =
  ({ record, allocateId, hashPassword }: CreateRobotPorts) =>
  async (
    { secret, ...robot }: CreateRobot,
    metadata: Metadata,
  ): Promise<{ readonly robotId: number; readonly position: bigint }> => {
    const secretHash = await hashPassword(secret);
    const robotId = await allocateId('robot', metadata);
    const command = { do: 'create', ...robot, robotId, secretHash, now: new Date() } as const;
    const created = decision(robotStream(robot.name), robotDecider, command);
    const { project } = robot;
    const { position } = await (project === null
      ? record(metadata, created)
      : record(metadata, decision(projectStream(project.name), requiringProject, project), created));
    return { robotId, position };
  };
