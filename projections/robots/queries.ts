import type { Kysely } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';
import type { RobotPermission } from '../../domain/access/principal.ts';
import type { RobotsDatabase } from './projection.ts';

export interface LoginRobot {
  readonly name: string;
  readonly robotId: number;
  /** argon2id in PHC string format. */
  readonly secretHash: string;
  /** Grows with each change of the secret. */
  readonly secretVersion: number;
  readonly disabled: boolean;
  readonly expiresAt: Date | null;
  readonly permissions: readonly RobotPermission[];
  /** The project that it belongs to, null for a robot of the system. */
  readonly project: string | null;
}

/** @param storedName without the prefix; undefined also where the robot's project is gone. */
export async function findRobot(
  db: Kysely<RobotsDatabase>,
  storedName: string,
): Promise<LoginRobot | undefined> {
  const row = await db
    .selectFrom('robots')
    .select((robot) => [
      'name',
      'robot_id as robotId',
      'secret_hash as secretHash',
      'secret_version as secretVersion',
      'disabled',
      'expires_at as expiresAt',
      'project',
      jsonArrayFrom(
        robot
          .selectFrom('grants')
          .select('permission')
          .whereRef('grants.robot', '=', 'robots.name')
          .orderBy('number'),
      ).as('grants'),
    ])
    .where('name', '=', storedName)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { grants, ...robot } = row;
  return { ...robot, permissions: grants.map(({ permission }) => permission) };
}
