import { sql } from 'kysely';
import type { Role } from '../../domain/access/role.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { MemberEvent } from '../../domain/member/events.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface MembersDatabase {
  members: {
    member_id: number;
    project_id: number;
    user_id: number;
    username: string;
    role: Role;
    created_at: Date;
    updated_at: Date;
  };
}

export type MembersEvent =
  | MemberEvent
  | Extract<ProjectEvent, { type: 'ProjectDeleted' }>
  | Extract<UserEvent, { type: 'UserDeleted' }>;

/** Who has which role in which project. */
export const members: Projection<MembersEvent> = {
  name: 'members',
  version: 2,
  handles: ['MemberAdded', 'MemberRoleChanged', 'MemberRemoved', 'ProjectDeleted', 'UserDeleted'],

  async create(db) {
    await db.schema
      .createTable('members')
      .addColumn('member_id', 'integer', (column) => column.primaryKey())
      .addColumn('project_id', 'integer', (column) => column.notNull())
      .addColumn('user_id', 'integer', (column) => column.notNull())
      .addColumn('username', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('role', 'text', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute();
    for (const columns of [['user_id'], ['project_id', 'user_id'], ['project_id', 'username']])
      await db.schema
        .createIndex(`members_by_${columns.join('_and_')}`)
        .on('members')
        .columns(columns)
        .execute();
  },

  apply: (tables, events) => takeSteps(tables, events, (event) => [stepOf(event)]),
};

function stepOf(event: RecordedEvent<MembersEvent>): Step {
  const table = 'members';
  switch (event.type) {
    case 'MemberAdded': {
      const { memberId, projectId, userId, username, role } = event.data;
      const row = {
        member_id: memberId,
        project_id: projectId,
        user_id: userId,
        username,
        role,
        created_at: event.recordedAt,
        updated_at: event.recordedAt,
      };
      return { by: 'write', table, key: ['member_id'], row };
    }
    case 'MemberRoleChanged': {
      const { memberId, role } = event.data;
      const row = { member_id: memberId, role, updated_at: event.recordedAt };
      return { by: 'update', table, key: ['member_id'], row };
    }
    case 'MemberRemoved':
      return { by: 'remove', table, key: ['member_id'], row: { member_id: event.data.memberId } };
    case 'ProjectDeleted':
      return {
        by: 'remove',
        table,
        key: ['project_id'],
        row: { project_id: event.data.projectId },
        spans: true,
      };
    case 'UserDeleted':
      return { by: 'remove', table, key: ['user_id'], row: { user_id: event.data.userId }, spans: true };
  }
}
