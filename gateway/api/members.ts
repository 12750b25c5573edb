import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Role } from '../../domain/access/role.ts';
import type { Entity } from '../../domain/member/events.ts';
import type { Member } from '../../projections/members/queries.ts';
import type { Access } from './access.ts';
import { creates, lists, nothing, shows } from './answer-forms.ts';
import { badRequest, conflict, notFound } from './faults.ts';
import { operation } from './operation.ts';
import { storable, text } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { roleIds, roleOf } from './role-ids.ts';
import { groupTypeOf, noDirectory } from './user-groups.ts';

const name = z.string().nullish();
const number = z.int().nullish();
const memberForm = z.object({
  role_id: number,
  member_user: z.object({ user_id: number, username: name }).nullish(),
  member_group: z.object({ id: number, group_name: name, group_type: number, ldap_group_dn: name }).nullish(),
});
const roleForm = z.object({ role_id: number });

/** Harbor's `ProjectMemberEntity`. */
const memberAnswer = z
  .object({
    id: z.int(),
    project_id: z.int(),
    entity_name: z.string(),
    role_name: z.string(),
    role_id: z.int(),
    entity_id: z.int(),
    entity_type: z.enum(['u', 'g']).describe('A user or a group of users'),
  })
  .meta({ id: 'ProjectMemberEntity' });

type Named = Entity & { readonly entityName: string };

/** Harbor's `member` operations. */
export function memberRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, commands, reached } = ports;
  const tag = 'member';
  const members = '/projects/:project_name_or_id/members';
  const member = '/projects/:project_name_or_id/members/:mid';

  operation(
    api,
    {
      id: 'listProjectMembers',
      tag,
      method: 'GET',
      path: members,
      summary:
        'The members of a project, users and groups; the total counts those too that were not asked for.',
      query: { entityname: text },
      answer: lists(memberAnswer, 'paged'),
    },
    async ({ request, query, listing }) => {
      const { project } = await access.inProject(request, 'member:list');
      const { rows, total } = await queries.listMembers(project.projectId, query.entityname, listing);
      return { rows: rows.map(shown), total };
    },
  );

  operation(
    api,
    {
      id: 'createProjectMember',
      tag,
      method: 'POST',
      path: members,
      summary: 'Gives a user or a group of users a role in a project.',
      body: memberForm,
      bodyIsOptional: true,
      answer: creates,
    },
    async ({ request, body }) => {
      const { project, metadata } = await access.inProject(request, 'member:create');
      const form = await body();
      const entity = await entityIn(form);
      // Ahead of the role, as Harbor checks it.
      if ((await queries.findMembership(project.projectId, entity)) !== undefined)
        throw conflict(`${entity.entityName} is a member of the project ${project.name} already`);
      const { projectId, name: projectName } = project;
      const role = roleIn(form);
      const added = await commands.addMember({ projectId, project: projectName, ...entity, role }, metadata);
      await reached(added.position);
      return { id: added.memberId };
    },
  );

  operation(
    api,
    {
      id: 'getProjectMember',
      tag,
      method: 'GET',
      path: member,
      summary: 'A member of a project.',
      answer: shows(memberAnswer),
    },
    async ({ request, path }) => {
      const { project } = await access.inProject(request, 'member:read');
      return shown(await existing(project.projectId, path.mid));
    },
  );

  operation(
    api,
    {
      id: 'updateProjectMember',
      tag,
      method: 'PUT',
      path: member,
      summary: 'Gives a member another role.',
      body: roleForm,
      bodyIsOptional: true,
      answer: nothing,
    },
    async ({ request, path: { mid: memberId }, body }) => {
      const { project, metadata } = await access.inProject(request, 'member:update');
      const role = roleIn(await body());
      if (memberId === 0) throw badRequest('a member has an id');
      const { projectId, entityType, entityId } = await existing(project.projectId, memberId);
      await reached(
        await commands.changeMember({ memberId, projectId, entityType, entityId, role }, metadata),
      );
    },
  );

  operation(
    api,
    {
      id: 'deleteProjectMember',
      tag,
      method: 'DELETE',
      path: member,
      summary: 'Takes the role in a project from a member.',
      answer: nothing,
    },
    async ({ request, path: { mid: memberId } }) => {
      const { project, metadata } = await access.inProject(request, 'member:delete');
      const { projectId, entityType, entityId } = await existing(project.projectId, memberId);
      await reached(await commands.removeMember({ memberId, projectId, entityType, entityId }, metadata));
    },
  );

  /** In the order in which Harbor looks. */
  async function entityIn({ member_user, member_group }: z.output<typeof memberForm>): Promise<Named> {
    const { user_id, username } = member_user ?? {};
    const { id: groupId, group_name, group_type, ldap_group_dn } = member_group ?? {};
    if (user_id) {
      const user = await queries.findUser(storable(user_id));
      if (user === undefined) throw badRequest(`user ${user_id} not found`);
      return userEntity(user);
    }
    if (groupId) {
      const group = await ports.findUserGroup(storable(groupId));
      if (group === undefined) throw badRequest(`user group ${groupId} not found`);
      return groupEntity(group);
    }
    if (username) {
      const user = username.includes('\0') ? undefined : await queries.findUserByName(username);
      if (user === undefined) throw notFound(`user ${username} not found`);
      return userEntity(user);
    }
    if (ldap_group_dn) throw badRequest(noDirectory);
    if (group_name) {
      const type = groupTypeOf(group_type ?? 0);
      const group =
        type === undefined || group_name.includes('\0')
          ? undefined
          : await ports.findUserGroupByName(type, group_name);
      // Harbor asks its directory for such a group; there is none to ask.
      if (group === undefined) throw badRequest(`user group ${group_name} of this type not found`);
      return groupEntity(group);
    }
    throw badRequest('at least one of member_user or member_group must be provided');
  }

  async function existing(projectId: number, memberId: number): Promise<Member> {
    const found = await queries.findMember(projectId, memberId);
    if (found === undefined) throw notFound(`project member ${memberId} not found`);
    return found;
  }
}

const userEntity = (user: { readonly userId: number; readonly username: string }): Named => ({
  entityType: 'user',
  entityId: user.userId,
  entityName: user.username,
});

const groupEntity = (group: { readonly groupId: number; readonly name: string }): Named => ({
  entityType: 'group',
  entityId: group.groupId,
  entityName: group.name,
});

function roleIn({ role_id }: { readonly role_id?: number | null | undefined }): Role {
  const role = roleOf(role_id ?? 0);
  if (role === undefined) throw badRequest('Failed to update project member, role is not in 1,2,3');
  return role;
}

const shown = ({ memberId, projectId, entityType, entityId, entityName, role }: Member) => ({
  id: memberId,
  project_id: projectId,
  entity_name: entityName,
  role_name: role,
  role_id: roleIds[role],
  entity_id: entityId,
  entity_type: entityType === 'user' ? ('u' as const) : ('g' as const),
});
