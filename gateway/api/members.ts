import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Role } from '../../domain/access/role.ts';
import type { Member } from '../../projections/members/queries.ts';
import type { Access } from './access.ts';
import { readJson } from './body.ts';
import { badRequest, conflict, notFound } from './faults.ts';
import { readPaging, sendPage } from './paging.ts';
import { storable } from './parameter-forms.ts';
import { idInPath, parameter } from './parameters.ts';
import type { ApiPorts } from './ports.ts';
import { roleIds, roleOf } from './role-ids.ts';

const entity = z.object({ user_id: z.int().nullish(), username: z.string().nullish() });
const group = z.object({
  id: z.int().nullish(),
  group_name: z.string().nullish(),
  ldap_group_dn: z.string().nullish(),
});
const newMember = z.object({
  role_id: z.int().nullish(),
  member_user: entity.nullish(),
  member_group: group.nullish(),
});
type NewMember = z.output<typeof newMember>;
const newRole = z.object({ role_id: z.int().nullish() });

/** Harbor's `member` operations. Groups cannot be members yet. */
export function memberRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, commands, reached } = ports;
  const members = '/projects/:project_name_or_id/members';

  api.get(members, async (request, reply) => {
    const { project } = await access.inProject(request, 'member:list');
    const paging = readPaging(request);
    const page = await queries.listMembers(project.projectId, parameter(request, 'entityname'), paging);
    return sendPage(request, reply, paging, page, shown);
  });

  api.post(members, async (request, reply) => {
    const { project, metadata } = await access.inProject(request, 'member:create');
    const form = await readJson(request, newMember);
    const { userId, username } = await userIn(form);
    // Ahead of the role, as Harbor checks it.
    if ((await queries.findMembership(project.projectId, userId)) !== undefined)
      throw conflict(`${username} is a member of the project ${project.name} already`);
    const { projectId, name } = project;
    const role = roleIn(form);
    const added = await commands.addMember({ projectId, project: name, userId, username, role }, metadata);
    await reached(added.position);
    const [path = ''] = request.url.split('?', 1);
    return reply.code(201).header('location', `${path}/${added.memberId}`).send();
  });

  /** In the order in which Harbor looks. */
  async function userIn({ member_user, member_group }: NewMember) {
    const { user_id, username } = member_user ?? {};
    if (user_id) {
      const user = await queries.findUser(storable(user_id));
      if (user === undefined) throw badRequest(`user ${user_id} not found`);
      return user;
    }
    if (member_group?.id) throw badRequest(`user group ${member_group.id} not found`);
    if (username) {
      const user = username.includes('\0') ? undefined : await queries.findUserByName(username);
      if (user === undefined) throw notFound(`user ${username} not found`);
      return user;
    }
    if (member_group?.group_name || member_group?.ldap_group_dn)
      throw badRequest('groups cannot be members of projects yet');
    throw badRequest('at least one of member_user or member_group must be provided');
  }

  api.get(`${members}/:mid`, async (request) => {
    const { project } = await access.inProject(request, 'member:read');
    return shown(await existing(project.projectId, idInPath(request, 'mid')));
  });

  api.put(`${members}/:mid`, async (request, reply) => {
    const { project, metadata } = await access.inProject(request, 'member:update');
    const memberId = idInPath(request, 'mid');
    const role = roleIn(await readJson(request, newRole));
    if (memberId === 0) throw badRequest('a member has an id');
    const { userId } = await existing(project.projectId, memberId);
    await reached(
      await commands.changeMember({ memberId, projectId: project.projectId, userId, role }, metadata),
    );
    return reply.send();
  });

  api.delete(`${members}/:mid`, async (request, reply) => {
    const { project, metadata } = await access.inProject(request, 'member:delete');
    const memberId = idInPath(request, 'mid');
    const { userId } = await existing(project.projectId, memberId);
    await reached(await commands.removeMember({ memberId, projectId: project.projectId, userId }, metadata));
    return reply.send();
  });

  async function existing(projectId: number, memberId: number): Promise<Member> {
    const member = await queries.findMember(projectId, memberId);
    if (member === undefined) throw notFound(`project member ${memberId} not found`);
    return member;
  }
}

function roleIn({ role_id }: { readonly role_id?: number | null | undefined }): Role {
  const role = roleOf(role_id ?? 0);
  if (role === undefined) throw badRequest('Failed to update project member, role is not in 1,2,3');
  return role;
}

const shown = ({ memberId, projectId, userId, username, role }: Member) => ({
  id: memberId,
  project_id: projectId,
  entity_name: username,
  role_name: role,
  role_id: roleIds[role],
  entity_id: userId,
  entity_type: 'u',
});
