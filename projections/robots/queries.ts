import { type ExpressionBuilder, type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';
import type { RobotPermission } from '../../domain/access/principal.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import type { RobotsDatabase } from './projection.ts';

export interface LoginRobot {
  readonly name: string;
  readonly robotId: number;
  /** argon2id in PHC string format. */
  readonly secretHash: string;
  /** Grows with each change of the secret. */
  readonly secretVersion: number;
  /** The secret from before, until an instant (ISO 8601) that may be over. */
  readonly previous: {
    readonly secretHash: string;
    readonly secretVersion: number;
    readonly validUntil: string;
  } | null;
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
      'previous',
      'disabled',
      'expires_at as expiresAt',
      'project',
      grantsOf(robot),
    ])
    .where('name', '=', storedName)
    .where(isThere)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { grants, ...robot } = row;
  return { ...robot, permissions: grants.map(({ permission }) => permission) };
}

type InRobots = ExpressionBuilder<RobotsDatabase, 'robots'>;

/** Not of a project that is gone; another one may have its name by now. */
const isThere = ({ eb, or, exists, selectFrom }: InRobots) =>
  or([
    eb('robots.project_id', 'is', null),
    exists(
      selectFrom('projects')
        .select('projects.name')
        .whereRef('projects.project_id', '=', 'robots.project_id'),
    ),
  ]);

/** What the robot was given, but for projects that are gone. */
const grantsOf = ({ selectFrom }: InRobots) =>
  jsonArrayFrom(
    selectFrom('grants')
      .select('permission')
      .whereRef('grants.robot', '=', 'robots.name')
      .where(({ eb, or, exists, selectFrom }) =>
        or([
          eb('grants.project', 'is', null),
          eb('grants.project', '=', '*'),
          exists(
            selectFrom('projects')
              .select('projects.name')
              .whereRef('projects.name', '=', 'grants.project')
              .whereRef('projects.created_at', '<', 'grants.given_at'),
          ),
        ]),
      )
      .orderBy('number'),
  ).as('grants');

/** A robot as the management API shows it. */
export interface ListedRobot {
  readonly name: string;
  readonly robotId: number;
  readonly project: string | null;
  readonly projectId: number | null;
  readonly description: string;
  readonly disabled: boolean;
  readonly durationDays: number;
  readonly expiresAt: Date | null;
  readonly permissions: readonly RobotPermission[];
  /** Until when the secret from before is good as well (ISO 8601), which may be over; null where it is not. */
  readonly previousUntil: string | null;
  readonly creatorType: 'local' | 'robot';
  readonly creatorRef: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** The keys that lists of robots are filtered and sorted by. */
const columns: Columns = {
  name: { column: 'name', type: 'text' },
  id: { column: 'robot_id', type: 'integer' },
  description: { column: 'description', type: 'text' },
  disabled: { column: 'disabled', type: 'boolean' },
  disable: { column: 'disabled', type: 'boolean' },
  duration: { column: 'duration_days', type: 'integer' },
  creationtime: { column: 'created_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

/** @param projectId null for the robots of the system. */
export async function listRobots(
  db: Kysely<RobotsDatabase>,
  projectId: number | null,
  listing: Listing,
): Promise<Page<ListedRobot>> {
  const all = filtered(
    db
      .selectFrom('robots')
      .where('project_id', projectId === null ? 'is' : '=', projectId)
      .where(isThere),
    listing.filters,
    columns,
  );
  const page = withGrants(all).orderBy(orderOf(listing, columns, ['name']));
  // The robots of the system or of one project, by an index.
  const { rows, total } = await pageOf(page, countOf(all), listing);
  return { rows: rows.map(withPermissions), total };
}

export async function findRobotById(
  db: Kysely<RobotsDatabase>,
  robotId: number,
): Promise<ListedRobot | undefined> {
  const row = await withGrants(
    db.selectFrom('robots').where('robot_id', '=', robotId).where(isThere),
  ).executeTakeFirst();
  return row && withPermissions(row);
}

const withGrants = (query: SelectQueryBuilder<RobotsDatabase, 'robots', object>) =>
  query.select((robot) => [
    'name',
    'robot_id as robotId',
    'project',
    'project_id as projectId',
    'description',
    'disabled',
    'duration_days as durationDays',
    'expires_at as expiresAt',
    'creator_type as creatorType',
    'creator_ref as creatorRef',
    'created_at as createdAt',
    'updated_at as updatedAt',
    sql<string | null>`previous ->> 'validUntil'`.as('previousUntil'),
    grantsOf(robot),
  ]);

const withPermissions = <
  Row extends { readonly grants: readonly { readonly permission: RobotPermission }[] },
>({
  grants,
  ...robot
}: Row) => ({ ...robot, permissions: grants.map(({ permission }) => permission) });
