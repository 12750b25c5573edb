import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { createUserGroup } from '../../commands/create-user-group.ts';
import type { deleteUserGroup } from '../../commands/delete-user-group.ts';
import type { renameUserGroup } from '../../commands/rename-user-group.ts';
import type { GroupType } from '../../domain/user-group/events.ts';
import type {
  findUserGroup,
  findUserGroupByName,
  ListedUserGroup,
  listUserGroups,
} from '../../projections/user-groups/queries.ts';
import type { Access } from './access.ts';
import { creates, lists, nothing, shows } from './answer-forms.ts';
import { badRequest, notFound } from './faults.ts';
import { operation } from './operation.ts';
import { required, text } from './parameter-forms.ts';
import type { ApiPorts, Command, Query } from './ports.ts';

export interface UserGroupPorts {
  readonly listUserGroups: Query<typeof listUserGroups>;
  readonly findUserGroup: Query<typeof findUserGroup>;
  readonly findUserGroupByName: Query<typeof findUserGroupByName>;
  readonly createUserGroup: Command<typeof createUserGroup>;
  readonly renameUserGroup: Command<typeof renameUserGroup>;
  readonly deleteUserGroup: Command<typeof deleteUserGroup>;
}

/** Harbor's numbers of the types. */
const typeIds: Readonly<Record<GroupType, number>> = { ldap: 1, http: 2, oidc: 3 };
const types = Object.keys(typeIds) as GroupType[];

/** Undefined for a number that is that of no type. */
export const groupTypeOf = (id: number): GroupType | undefined => types.find((type) => typeIds[type] === id);

export const noDirectory = 'groups of an LDAP directory cannot be used yet: there is none to look them up in';

const name = z.string().nullish();
const groupForm = z.object({ group_name: name, group_type: z.int().nullish(), ldap_group_dn: name });

const group = z.object({
  group_name: z.string(),
  group_type: z
    .int()
    .describe('1 of an LDAP directory, 2 of a proxy that authenticates, 3 of OpenID Connect'),
  ldap_group_dn: z.string().optional(),
});
const listedGroup = group.extend({ id: z.int() }).meta({ id: 'UserGroup' });
const foundGroup = listedGroup.omit({ ldap_group_dn: true }).meta({ id: 'UserGroupSearchItem' });

const maxLength = 255;

/** Harbor's `usergroup` operations. */
export function userGroupRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { reached } = ports;

  operation(
    api,
    {
      id: 'listUserGroups',
      tag: 'usergroup',
      method: 'GET',
      path: '/usergroups',
      summary: 'The groups of users that can be members of projects.',
      query: {
        group_name: text,
        ldap_group_dn: text.meta({
          parameter: { type: 'string', description: 'Means nothing where users are not of a directory' },
        }),
      },
      answer: lists(listedGroup, 'paged'),
    },
    async ({ request, query, listing }) => {
      await access.inSystem(request, 'user-group:list');
      const { rows, total } = await ports.listUserGroups(query.group_name, listing);
      return { rows: rows.map((each) => ({ id: each.groupId, ...shown(each) })), total };
    },
  );

  operation(
    api,
    {
      id: 'createUserGroup',
      tag: 'usergroup',
      method: 'POST',
      path: '/usergroups',
      summary: 'Makes a group of users known.',
      body: groupForm,
      bodyIsOptional: true,
      answer: creates,
    },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, 'user-group:create');
      const { group_name, group_type, ldap_group_dn } = await body();
      const groupType = groupTypeOf(group_type ?? 0);
      if (groupType === undefined) throw badRequest(`invalid group type: ${group_type ?? 'none'}`);
      if (groupType === 'ldap') throw badRequest(ldap_group_dn ? noDirectory : 'the group has no LDAP DN');
      const { groupId, position } = await ports.createUserGroup(
        { groupType, name: readName(group_name), dn: null },
        metadata,
      );
      await reached(position);
      return { id: groupId };
    },
  );

  operation(
    api,
    {
      id: 'searchUserGroups',
      tag: 'usergroup',
      method: 'GET',
      path: '/usergroups/search',
      summary: 'Groups of users by a part of their names.',
      query: { groupname: required(text) },
      answer: lists(foundGroup, 'paged'),
    },
    async ({ request, query, listing }) => {
      await access.known(request);
      const { rows, total } = await ports.listUserGroups(query.groupname, listing);
      return {
        rows: rows.map((each) => ({
          id: each.groupId,
          group_name: each.name,
          group_type: typeIds[each.groupType],
        })),
        total,
      };
    },
  );

  operation(
    api,
    {
      id: 'getUserGroup',
      tag: 'usergroup',
      method: 'GET',
      path: '/usergroups/:group_id',
      // As Harbor shows it.
      summary: 'A group of users, without its number.',
      answer: shows(group),
    },
    async ({ request, path }) => {
      await access.inSystem(request, 'user-group:read');
      requirePositive(request);
      return shown(await existing(path.group_id));
    },
  );

  operation(
    api,
    {
      id: 'updateUserGroup',
      tag: 'usergroup',
      method: 'PUT',
      path: '/usergroups/:group_id',
      summary: 'Gives a group of users another name.',
      body: groupForm,
      bodyIsOptional: true,
      answer: nothing,
    },
    async ({ request, path, body }) => {
      const { metadata } = await access.inSystem(request, 'user-group:update');
      requirePositive(request);
      const newName = readName((await body()).group_name);
      await reached(await ports.renameUserGroup(await existing(path.group_id), newName, metadata));
    },
  );

  operation(
    api,
    {
      id: 'deleteUserGroup',
      tag: 'usergroup',
      method: 'DELETE',
      path: '/usergroups/:group_id',
      summary: 'Forgets a group of users, which is a member of no project any more.',
      answer: nothing,
    },
    async ({ request, path }) => {
      const { metadata } = await access.inSystem(request, 'user-group:delete');
      requirePositive(request);
      if ((await ports.findUserGroup(path.group_id)) === undefined) return;
      await reached(await ports.deleteUserGroup(path.group_id, metadata));
    },
  );

  async function existing(groupId: number): Promise<ListedUserGroup> {
    const found = await ports.findUserGroup(groupId);
    if (found === undefined) throw notFound(`user group ${groupId} not found`);
    return found;
  }
}

/** A number beyond those that there can be is the number of no group, and 0 is no number. @throws RequestRefused 400 */
function requirePositive(request: FastifyRequest): void {
  const { group_id } = request.params as { readonly group_id: string };
  if (Number(group_id) <= 0) throw badRequest('the id of a user group is greater than 0');
}

/** @throws RequestRefused 400 */
function readName(written: string | null | undefined): string {
  const name = written ?? '';
  if (name.trim() === '' || name.length > maxLength || /\p{C}/u.test(name))
    throw badRequest(`the name of a user group has 1 to ${maxLength} visible characters`);
  return name;
}

const shown = ({ groupType, name, dn }: ListedUserGroup) => ({
  group_name: name,
  group_type: typeIds[groupType],
  ...(dn !== null && { ldap_group_dn: dn }),
});
