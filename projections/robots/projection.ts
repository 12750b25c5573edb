import { sql } from 'kysely';
import type { RobotPermission } from '../../domain/access/principal.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import { lastInstant } from '../../domain/robot/decider.ts';
import type { RobotEvent } from '../../domain/robot/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface RobotsDatabase {
  robots: {
    name: string;
    robot_id: number;
    project: string | null;
    project_id: number | null;
    description: string;
    disabled: boolean;
    duration_days: number;
    expires_at: Date | null;
    secret_hash: string;
    secret_version: number;
    /** The secret from before, where it was left good for a while; whether that is over, the clock says. */
    previous: { secretHash: string; secretVersion: number; validUntil: string } | null;
    creator_type: 'local' | 'robot';
    creator_ref: number;
    created_at: Date;
    updated_at: Date;
  };
  /**
   * By themselves, so that what was given for a project goes with it. What was still given after that, by a request
   * that had begun before, must not fall to its successor: `given_at`, a position of the log, tells.
   */
  grants: {
    robot: string;
    number: number;
    project: string | null;
    given_at: string;
    permission: RobotPermission;
  };
  /** The projects that there are, each with the position at which it began. */
  projects: { name: string; project_id: number; created_at: string };
}

export type RobotsEvent = RobotEvent | Extract<ProjectEvent, { type: 'ProjectCreated' | 'ProjectDeleted' }>;

/** The robot accounts, what they may do, and what their secrets are checked against. */
export const robots: Projection<RobotsEvent> = {
  name: 'robots',
  version: 3,
  handles: [
    'RobotCreated',
    'RobotChanged',
    'RobotSecretChanged',
    'RobotPreviousSecretEnded',
    'RobotDeleted',
    'ProjectCreated',
    'ProjectDeleted',
  ],

  async create(db) {
    await db.schema
      .createTable('robots')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('robot_id', 'integer', (column) => column.notNull().unique())
      .addColumn('project', 'text')
      .addColumn('project_id', 'integer')
      .addColumn('description', 'text', (column) => column.notNull())
      .addColumn('disabled', 'boolean', (column) => column.notNull())
      .addColumn('duration_days', 'integer', (column) => column.notNull())
      .addColumn('expires_at', 'timestamptz')
      .addColumn('secret_hash', 'text', (column) => column.notNull())
      .addColumn('secret_version', 'integer', (column) => column.notNull())
      .addColumn('previous', 'jsonb')
      .addColumn('creator_type', 'text', (column) => column.notNull())
      .addColumn('creator_ref', 'integer', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('robots_by_project').on('robots').column('project_id').execute();
    await db.schema
      .createTable('grants')
      .addColumn('robot', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('number', 'integer', (column) => column.notNull())
      .addColumn('project', sql`text COLLATE "C"`)
      .addColumn('given_at', 'bigint', (column) => column.notNull())
      .addColumn('permission', 'jsonb', (column) => column.notNull())
      .addPrimaryKeyConstraint('grants_key', ['robot', 'number'])
      .execute();
    await db.schema.createIndex('grants_by_project').on('grants').column('project').execute();
    await db.schema
      .createTable('projects')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('project_id', 'integer', (column) => column.notNull().unique())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();
  },

  apply: (tables, events) => takeSteps(tables, events, stepsOf),
};

function stepsOf(event: RecordedEvent<RobotsEvent>): Step[] {
  switch (event.type) {
    case 'RobotCreated': {
      const { robotId, project, projectId, secretHash, creatorType, creatorRef } = event.data;
      const row = {
        robot_id: robotId,
        project,
        project_id: projectId,
        ...settingsOf(event),
        secret_hash: secretHash,
        secret_version: Number(event.revision),
        previous: null,
        creator_type: creatorType,
        creator_ref: creatorRef,
        created_at: event.data.createdAt,
      };
      return [{ by: 'write', table: 'robots', key: ['name'], row }, ...grantsOf(event)];
    }
    case 'RobotChanged':
      return [{ by: 'update', table: 'robots', key: ['name'], row: settingsOf(event) }, ...grantsOf(event)];
    case 'RobotSecretChanged': {
      const { name, secretHash, previous } = event.data;
      const row = {
        name,
        secret_hash: secretHash,
        secret_version: Number(event.revision),
        previous,
        updated_at: event.recordedAt,
      };
      return [{ by: 'update', table: 'robots', key: ['name'], row }];
    }
    case 'RobotPreviousSecretEnded': {
      const row = { name: event.data.name, previous: null, updated_at: event.recordedAt };
      return [{ by: 'update', table: 'robots', key: ['name'], row }];
    }
    case 'RobotDeleted': {
      const { name } = event.data;
      return [{ by: 'remove', table: 'robots', key: ['name'], row: { name } }, noGrants(name)];
    }
    case 'ProjectCreated': {
      const { name, projectId } = event.data;
      const row = { name, project_id: projectId, created_at: String(event.position) };
      return [{ by: 'write', table: 'projects', key: ['name'], row }];
    }
    case 'ProjectDeleted': {
      const { name, projectId } = event.data;
      return [
        { by: 'remove', table: 'projects', key: ['project_id'], row: { project_id: projectId } },
        { by: 'remove', table: 'robots', key: ['project_id'], row: { project_id: projectId }, spans: true },
        { by: 'remove', table: 'grants', key: ['project'], row: { project: name }, spans: true },
      ];
    }
  }
}

type Configured = RecordedEvent<Extract<RobotEvent, { type: 'RobotCreated' | 'RobotChanged' }>>;

const settingsOf = ({ data, recordedAt }: Configured) => ({
  name: data.name,
  description: data.description,
  disabled: data.disabled,
  duration_days: data.durationDays,
  expires_at: storableTime(data.expiresAt),
  updated_at: recordedAt,
});

/** Events of the time before `expiry` had an end may tell a year that PostgreSQL cannot read. */
const storableTime = (instant: string | null): string | null =>
  instant?.startsWith('+') ? lastInstant : instant;

const noGrants = (robot: string): Step => ({ by: 'remove', table: 'grants', key: ['robot'], row: { robot } });

const grantsOf = ({ data: { name, permissions }, position }: Configured): Step[] => [
  noGrants(name),
  ...permissions.map((permission, number): Step => {
    const project = permission.scope.kind === 'project' ? permission.scope.project : null;
    return {
      by: 'write',
      table: 'grants',
      key: ['robot', 'number'],
      row: { robot: name, number, project, given_at: String(position), permission },
    };
  }),
];
