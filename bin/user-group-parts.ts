import { createUserGroup } from '../commands/create-user-group.ts';
import { deleteUserGroup } from '../commands/delete-user-group.ts';
import { renameUserGroup } from '../commands/rename-user-group.ts';
import type { UserGroupPorts } from '../gateway/api/user-groups.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import { type UserGroupsDatabase, userGroups } from '../projections/user-groups/projection.ts';
import { findUserGroup, findUserGroupByName, listUserGroups } from '../projections/user-groups/queries.ts';
import type { Current } from './api-parts.ts';

/** What the groups of users are asked and changed by. */
export function userGroupParts(
  ports: Parameters<typeof createUserGroup>[0],
  kysely: ViewDatabase,
  current: Current,
): UserGroupPorts {
  const inUserGroups = viewOf<UserGroupsDatabase>(kysely, userGroups);
  return {
    listUserGroups: current(listUserGroups.bind(undefined, inUserGroups)),
    findUserGroup: current(findUserGroup.bind(undefined, inUserGroups)),
    findUserGroupByName: current(findUserGroupByName.bind(undefined, inUserGroups)),
    createUserGroup: createUserGroup(ports),
    renameUserGroup: renameUserGroup(ports),
    deleteUserGroup: deleteUserGroup(ports),
  };
}
