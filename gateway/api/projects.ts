import type { FastifyInstance } from 'fastify';
import { authorize, includes } from '../../domain/access/authorize.ts';
import type { Principal } from '../../domain/access/principal.ts';
import { isOfProject, userOf } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import { isName } from '../../domain/project/name.ts';
import type { Filter, Page } from '../../projections/listing.ts';
import type { Project, Visible } from '../../projections/projects/queries.ts';
import type { Access } from './access.ts';
import { readJson } from './body.ts';
import { badRequest, forbidden, notFound, unprocessable } from './faults.ts';
import { sendPage } from './paging.ts';
import { flagHeader, flagParameter, parameter } from './parameters.ts';
import type { ApiPorts } from './ports.ts';
import { projectForm, refuseUnsupported, settingsOf } from './project-form.ts';
import { readListing } from './query.ts';
import { highestRole, roleIds } from './role-ids.ts';
import { visibleToToken } from './visible-to-token.ts';

/** Harbor's `project` operations, those about the projects themselves. */
export function projectRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, commands, reached } = ports;

  /** What `principal` may see in a list, and the roles that a user has by the number of the project. */
  async function sightOf(
    principal: Principal,
    isPublic: boolean | undefined,
  ): Promise<{ readonly visible: Visible; readonly roles: ReadonlyMap<number, readonly Role[]> }> {
    const user = userOf(principal);
    const memberships = user === undefined ? [] : await queries.membershipsOf(user.userId);
    const roles = new Map(
      [...Map.groupBy(memberships, ({ projectId }) => projectId)].map(([projectId, all]) => [
        projectId,
        all.map(({ role }) => role),
      ]),
    );
    const given = principal.kind === 'robot' ? principal.permissions : [];
    const names = given.flatMap(({ scope }) => (scope.kind === 'project' ? [scope.project] : []));
    if (authorize(principal, 'project:list', { kind: 'system' }) || names.includes('*'))
      return { visible: { kind: 'all' }, roles };
    if (principal.kind === 'access-token')
      return { visible: visibleToToken(principal, [...roles.keys()], isPublic !== false), roles };
    const projectIds = [...roles.keys()];
    return { visible: { kind: 'some', public: isPublic !== false, projectIds, names }, roles };
  }

  /** How projects are shown, with what is counted and looked up in one go. */
  async function shown(
    projects: readonly Project[],
    rolesIn: (project: Project) => readonly Role[],
    inDetail: boolean,
  ) {
    const [counts, owners] = await Promise.all([
      queries.countRepositories(projects.map(({ name }) => name)),
      queries.userIdsOf([...new Set(projects.map(({ owner }) => owner))]),
    ]);
    return projects.map((project) => {
      const { name, projectId, owner, metadata, createdAt, updatedAt } = project;
      const roles = rolesIn(project);
      return {
        project_id: projectId,
        name,
        owner_id: owners.get(owner) ?? 0,
        creation_time: createdAt,
        update_time: updatedAt,
        deleted: false,
        togglable: roles.includes('projectAdmin'),
        current_user_role_id: highestRole(roles),
        current_user_role_ids: roles.map((role) => roleIds[role]),
        repo_count: counts.get(name) ?? 0,
        ...(inDetail && {
          owner_name: owner,
          metadata: { ...metadata, public: String(project.public) },
          cve_allowlist: { project_id: projectId, items: [] },
        }),
      };
    });
  }

  api.get('/projects', async (request, reply) => {
    const { principal } = await access.anyone(request);
    const listing = readListing(request);
    const name = parameter(request, 'name');
    const owner = parameter(request, 'owner');
    const isPublic = flagParameter(request, 'public');
    const filters: Filter[] = [
      ...listing.filters,
      ...(name === undefined ? [] : [{ key: 'name', kind: 'contains', value: name } as const]),
      ...(owner === undefined ? [] : [{ key: 'owner', kind: 'is', value: owner } as const]),
      ...(isPublic === undefined ? [] : [{ key: 'public', kind: 'is', value: String(isPublic) } as const]),
    ];
    const { visible, roles } = await sightOf(principal, isPublic);
    const { rows, total } = await queries.listProjects({ ...listing, filters }, visible);
    const inDetail = flagParameter(request, 'with_detail') !== false;
    const items = await shown(rows, ({ projectId }) => roles.get(projectId) ?? [], inDetail);
    const page: Page<(typeof items)[number]> = { rows: items, total };
    return sendPage(request, reply, listing, page, (item) => item);
  });

  api.head('/projects', async (request, reply) => {
    await access.known(request);
    const name = parameter(request, 'project_name');
    if (name === undefined) throw unprocessable('project_name in query is required');
    if ((await queries.findProject(name)) === undefined) throw notFound(`project ${name} not found`);
    return reply.send();
  });

  api.post('/projects', async (request, reply) => {
    const { principal, metadata } = await access.known(request);
    if (principal.kind === 'robot' && isOfProject(principal.name))
      throw forbidden('Only system level robot can create project');
    // Harbor lets every user create projects unless it is told otherwise; a robot has to be given that.
    if (principal.kind === 'robot' && !authorize(principal, 'project:create', { kind: 'system' }))
      throw forbidden('Only system admin can create project');
    const { project_creation_restriction } = await ports.configuration();
    if (
      project_creation_restriction === 'adminonly' &&
      !authorize(principal, 'project:create', { kind: 'system' })
    )
      throw forbidden('Only system admin can create project');
    if (principal.kind === 'access-token' && !includes(principal, 'project:create', { kind: 'system' }))
      throw forbidden('the access token was not made to create projects');
    const form = await readJson(request, projectForm);
    refuseUnsupported(form);
    const name = form.project_name ?? '';
    if (name.length < 1 || name.length > 255)
      throw badRequest(`Project name ${name} is illegal in length. (greater than 0 or less than 255)`);
    if (!isName(name)) throw badRequest('project name is not in lower case or contains illegal characters');
    if (form.metadata?.retention_id) throw badRequest('a new project has no retention policy');
    const settings = settingsOf(form);
    const { projectId, position } = await commands.createProject(
      {
        name,
        public: settings.public ?? false,
        metadata: settings.metadata,
        owner: await ownerFor(principal),
      },
      metadata,
    );
    await reached(position);
    const named = flagHeader(request, 'X-Resource-Name-In-Location') === true ? name : projectId;
    return reply.code(201).header('location', `/api/v2.0/projects/${named}`).send();
  });

  async function ownerFor(principal: Principal) {
    const user = userOf(principal);
    if (user !== undefined) return { username: user.username, userId: user.userId };
    const owner = await queries.firstAdministrator();
    if (owner === undefined) throw forbidden('there is no administrator who could own the project');
    return owner;
  }

  api.get('/projects/:project_name_or_id', async (request) => {
    const { project, roles } = await access.inProject(request, 'project:read');
    const [item] = await shown([project], () => roles, true);
    return item;
  });

  api.put('/projects/:project_name_or_id', async (request, reply) => {
    const { project, metadata } = await access.inProject(request, 'project:update');
    const form = await readJson(request, projectForm);
    refuseUnsupported({ ...form, registry_id: undefined }, project);
    const { name, projectId } = project;
    const { retention_id } = form.metadata ?? {};
    if (retention_id && retention_id !== project.metadata.retention_id)
      throw badRequest('the retention policy of a project is not set here');
    // The older field `public` is for the creation alone.
    const settings = settingsOf({ ...form, public: undefined });
    await reached(await commands.changeProject({ name, projectId, ...settings }, metadata));
    return reply.send();
  });

  api.delete('/projects/:project_name_or_id', async (request, reply) => {
    const { project, metadata } = await access.inProject(request, 'project:delete');
    const { name, projectId } = project;
    await reached(await commands.deleteProject({ name, projectId }, metadata));
    return reply.send();
  });

  api.get('/projects/:project_name_or_id/_deletable', async (request) => {
    const { project } = await access.inProject(request, 'project:delete');
    return (await queries.holdsManifests(project.name))
      ? { deletable: false, message: 'the project contains repositories, can not be deleted' }
      : { deletable: true, message: '' };
  });
}
