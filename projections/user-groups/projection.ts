import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { GroupType, UserGroupEvent } from '../../domain/user-group/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface UserGroupsDatabase {
  user_groups: { group_id: number; group_type: GroupType; name: string; dn: string | null };
}

/** The groups of users that can be members of projects. */
export const userGroups: Projection<UserGroupEvent> = {
  name: 'user_groups',
  version: 1,
  handles: ['UserGroupCreated', 'UserGroupRenamed', 'UserGroupDeleted'],

  async create(db) {
    await db.schema
      .createTable('user_groups')
      .addColumn('group_id', 'integer', (column) => column.primaryKey())
      .addColumn('group_type', 'text', (column) => column.notNull())
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('dn', 'text')
      .execute();
    await db.schema.createIndex('user_groups_by_name').on('user_groups').columns(['name']).execute();
  },

  apply: (tables, events) => takeSteps(tables, events, (event) => [stepOf(event)]),
};

function stepOf({ type, data }: RecordedEvent<UserGroupEvent>): Step {
  const at = { table: 'user_groups', key: ['group_id'] };
  const { groupId, name } = data;
  switch (type) {
    case 'UserGroupCreated':
      return {
        by: 'write',
        ...at,
        row: { group_id: groupId, group_type: data.groupType, name, dn: data.dn },
      };
    case 'UserGroupRenamed':
      return { by: 'update', ...at, row: { group_id: groupId, name } };
    case 'UserGroupDeleted':
      return { by: 'remove', ...at, row: { group_id: groupId } };
  }
}
