import type { RobotPermission } from '../access/principal.ts';
import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { RobotEvent } from './events.ts';

/** In `durationDays`: it lives until it is deleted. */
export const forEver = -1;

export interface RobotSettings {
  readonly description: string;
  readonly disabled: boolean;
  /** From the creation on; `forEver`, or at least 1. */
  readonly durationDays: number;
  readonly permissions: readonly RobotPermission[];
}

export interface CreateRobot extends RobotSettings {
  readonly name: string;
  readonly robotId: number;
  readonly project: { readonly name: string; readonly projectId: number } | null;
  readonly secretHash: string;
  readonly now: Date;
  readonly creatorType: 'local' | 'robot';
  readonly creatorRef: number;
}

export type RobotCommand =
  | ({ readonly do: 'create' } & CreateRobot)
  | ({ readonly do: 'change'; readonly robotId: number } & RobotSettings)
  | {
      readonly do: 'change-secret';
      readonly robotId: number;
      readonly secretHash: string;
      /** Until when the secret from before is good as well; null where it ends at once. */
      readonly previousUntil: Date | null;
    }
  | { readonly do: 'end-previous-secret'; readonly robotId: number }
  | { readonly do: 'delete'; readonly robotId: number };

export interface Robot {
  readonly name: string;
  readonly robotId: number;
  readonly projectId: number | null;
  readonly createdAt: string;
  readonly secretHash: string;
  /** The revision of the stream at which it got the secret. */
  readonly secretVersion: number;
  /** Whether a change has left the secret from before good for a while, which may be over. */
  readonly hasPrevious: boolean;
}

export interface RobotName {
  /** That has the name now. */
  readonly robot: Robot | null;
  /** The revision that the next event gets. */
  readonly next: number;
}

/** A name of robots, and the robot that has it. */
export const robotDecider: Decider<RobotName, RobotCommand, RobotEvent> = {
  initial: { robot: null, next: 0 },

  decide({ robot }, command) {
    if (command.do === 'create') {
      const { do: _, project, now, ...rest } = command;
      const projectId = project?.projectId ?? null;
      // Numbers grow: the project is one that is gone, and its name is that of another by now.
      if (project !== null && robot?.projectId != null && robot.projectId > project.projectId)
        throw new Refusal({ kind: 'project-unknown', project: project.name });
      // One of an earlier project of the same name is gone with that project.
      if (robot !== null && robot.projectId === projectId)
        throw new Refusal({ kind: 'robot-exists', robot: command.name });
      const createdAt = now.toISOString();
      const data = {
        ...rest,
        ...recordable(rest),
        project: project?.name ?? null,
        projectId,
        createdAt,
        expiresAt: expiry(createdAt, rest.durationDays),
      };
      return [{ type: 'RobotCreated', data }];
    }
    if (robot?.robotId !== command.robotId)
      throw new Refusal({ kind: 'robot-unknown', robotId: command.robotId });
    const { name, robotId } = robot;
    switch (command.do) {
      case 'change': {
        const { description, disabled, durationDays } = command;
        const expiresAt = expiry(robot.createdAt, durationDays);
        const settings = { description, disabled, durationDays, expiresAt, ...recordable(command) };
        return [{ type: 'RobotChanged', data: { name, robotId, ...settings } }];
      }
      case 'change-secret': {
        const { secretHash, previousUntil } = command;
        const previous = previousUntil && {
          secretHash: robot.secretHash,
          secretVersion: robot.secretVersion,
          validUntil: previousUntil.toISOString(),
        };
        return [{ type: 'RobotSecretChanged', data: { name, robotId, secretHash, previous } }];
      }
      case 'end-previous-secret':
        return robot.hasPrevious ? [{ type: 'RobotPreviousSecretEnded', data: { name, robotId } }] : [];
      case 'delete':
        return [{ type: 'RobotDeleted', data: { name, robotId } }];
    }
  },

  evolve: ({ robot, next }, event) => ({ robot: robotAfter(robot, event, next), next: next + 1 }),
};

function robotAfter(robot: Robot | null, { type, data }: RobotEvent, revision: number): Robot | null {
  switch (type) {
    case 'RobotCreated': {
      const { name, robotId, projectId, createdAt, secretHash } = data;
      return {
        name,
        robotId,
        projectId,
        createdAt,
        secretHash,
        secretVersion: revision,
        hasPrevious: false,
      };
    }
    case 'RobotChanged':
      return robot;
    case 'RobotSecretChanged': {
      const { secretHash, previous } = data;
      return robot && { ...robot, secretHash, secretVersion: revision, hasPrevious: previous !== null };
    }
    case 'RobotPreviousSecretEnded':
      return robot && { ...robot, hasPrevious: false };
    case 'RobotDeleted':
      return null;
  }
}

const dayMs = 24 * 60 * 60 * 1000;

/** Beyond it ISO 8601 and PostgreSQL write years in different ways. */
export const lastInstant = '9999-12-31T23:59:59.999Z';

/** Harbor takes durations of millions of years. */
const expiry = (createdAt: string, durationDays: number): string | null =>
  durationDays === forEver
    ? null
    : new Date(Math.min(Date.parse(createdAt) + durationDays * dayMs, Date.parse(lastInstant))).toISOString();

const recordable = ({ permissions }: Pick<RobotSettings, 'permissions'>) => ({
  permissions: permissions.map(({ scope, access }) => ({ scope: { ...scope }, access: [...access] })),
});
