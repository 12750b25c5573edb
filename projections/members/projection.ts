import { sql } from 'kysely';
import type { Role } from '../../domain/access/role.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { MemberEvent } from '../../domain/member/events.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import type { UserGroupEvent } from '../../domain/user-group/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface MembersDatabase {
  members: {
    member_id: number;
    project_id: number;
    /** Null for a group. */
    user_id: number | null;
    /** Null for a user. */
    group_id: number | null;
    name: string;
    role: Role;
    created_at: Date;
    updated_at: Date;
  };
  /** Those that there are: a group may be made a member at the moment when it is deleted. */
  groups: { group_id: number; name: string };
}

export type MembersEvent =
  | MemberEvent
  | UserGroupEvent
  | Extract<ProjectEvent, { type: 'ProjectDeleted' }>
  | Extract<UserEvent, { type: 'UserDeleted' }>;

/** Who has which role in which project. */
export const members: Projection<MembersEvent> = {
  name: 'members',
  version: 3,
  showsUserNames: true,
  handles: [
    'MemberAdded',
    'MemberRoleChanged',
    'MemberRemoved',
    'UserGroupCreated',
    'UserGroupRenamed',
    'UserGroupDeleted',
    'ProjectDeleted',
    'UserDeleted',
  ],

  async create(db) {
    await db.schema
      .createTable('members')
      .addColumn('member_id', 'integer', (column) => column.primaryKey())
      .addColumn('project_id', 'integer', (column) => column.notNull())
      .addColumn('user_id', 'integer')
      .addColumn('group_id', 'integer')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('role', 'text', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute();
    for (const columns of [['user_id'], ['group_id'], ['project_id', 'user_id']])
      await db.schema
        .createIndex(`members_by_${columns.join('_and_')}`)
        .on('members')
        .columns(columns)
        .execute();
    await db.schema
      .createTable('groups')
      .addColumn('group_id', 'integer', (column) => column.primaryKey())
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.notNull())
      .execute();
  },

  apply: (tables, events) => takeSteps(tables, events, stepsOf),
};

function stepsOf(event: RecordedEvent<MembersEvent>): readonly Step[] {
  const ofMember = { table: 'members', key: ['member_id'] };
  const ofGroup = { table: 'groups', key: ['group_id'] };
  switch (event.type) {
    case 'MemberAdded': {
      const { memberId, projectId, entityType, entityId, entityName, role } = event.data;
      const row = {
        member_id: memberId,
        project_id: projectId,
        user_id: entityType === 'user' ? entityId : null,
        group_id: entityType === 'group' ? entityId : null,
        name: entityName,
        role,
        created_at: event.recordedAt,
        updated_at: event.recordedAt,
      };
      return [{ by: 'write', ...ofMember, row }];
    }
    case 'MemberRoleChanged': {
      const { memberId, role } = event.data;
      const row = { member_id: memberId, role, updated_at: event.recordedAt };
      return [{ by: 'update', ...ofMember, row }];
    }
    case 'MemberRemoved':
      return [{ by: 'remove', ...ofMember, row: { member_id: event.data.memberId } }];
    case 'UserGroupCreated':
    case 'UserGroupRenamed': {
      const { groupId, name } = event.data;
      return [{ by: 'write', ...ofGroup, row: { group_id: groupId, name } }];
    }
    case 'UserGroupDeleted': {
      const row = { group_id: event.data.groupId };
      return [
        { by: 'remove', ...ofGroup, row },
        { by: 'remove', table: 'members', key: ['group_id'], row, spans: true },
      ];
    }
    case 'ProjectDeleted': {
      const row = { project_id: event.data.projectId };
      return [{ by: 'remove', table: 'members', key: ['project_id'], row, spans: true }];
    }
    case 'UserDeleted': {
      const row = { user_id: event.data.userId };
      return [{ by: 'remove', table: 'members', key: ['user_id'], row, spans: true }];
    }
  }
}
