import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { authorize, includes } from '../../domain/access/authorize.ts';
import { isOfProject, type Principal, userOf } from '../../domain/access/principal.ts';
import { isName } from '../../domain/project/name.ts';
import type { Access } from './access.ts';
import { creates, nothing, shows } from './answer-forms.ts';
import { readCveAllowlist } from './cve-allowlist.ts';
import { badRequest, forbidden, notFound } from './faults.ts';
import { operation } from './operation.ts';
import { required, text } from './parameter-forms.ts';
import { flagHeader } from './parameters.ts';
import type { ApiPorts } from './ports.ts';
import { projectAnswer, shownProjects } from './project-answer.ts';
import { type ProjectForm, projectForm, readStorageLimit, retentionIn, settingsOf } from './project-form.ts';
import { resources } from './quotas.ts';

const nameInLocation = 'X-Resource-Name-In-Location';
const count = z.int().optional().describe('For who may see the members');

/** Harbor's `project` operations, those about one project. */
export function projectRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, commands, reached } = ports;
  const tag = 'project';
  const project = '/projects/:project_name_or_id';

  operation(
    api,
    {
      id: 'headProject',
      tag,
      method: 'HEAD',
      path: '/projects',
      summary: 'Whether there is a project of this name.',
      query: { project_name: required(text) },
      answer: nothing,
    },
    async ({ request, query: { project_name: name } }) => {
      await access.known(request);
      if ((await queries.findProject(name)) === undefined) throw notFound(`project ${name} not found`);
    },
  );

  operation(
    api,
    {
      id: 'createProject',
      tag,
      method: 'POST',
      path: '/projects',
      summary: 'Creates a project, whose administrator the asker becomes.',
      headers: { [nameInLocation]: 'Whether the Location ends in the name and not in the number' },
      body: projectForm,
      answer: creates,
    },
    async ({ request, body }) => {
      const { principal, metadata } = await access.known(request);
      const mayAlways = authorize(principal, 'project:create', { kind: 'system' });
      await refuseCreation(principal, mayAlways);
      const form = await body();
      refuseCache(form, mayAlways);
      // Who may not create projects for the system gets what everybody gets.
      const asked = mayAlways ? readStorageLimit(form.storage_limit) : null;
      const storageLimit = asked ?? (await ports.configuration()).storage_per_project;
      const name = form.project_name ?? '';
      if (name.length < 1 || name.length > 255)
        throw badRequest(`Project name ${name} is illegal in length. (greater than 0 or less than 255)`);
      if (!isName(name)) throw badRequest('project name is not in lower case or contains illegal characters');
      if (retentionIn(form) !== null) throw badRequest('a new project has no retention policy');
      const settings = settingsOf(form);
      const { projectId, position } = await commands.createProject(
        {
          name,
          public: settings.public ?? false,
          metadata: settings.metadata,
          storageLimit,
          owner: await ownerFor(principal),
        },
        metadata,
      );
      await reached(position);
      return { id: flagHeader(request, nameInLocation) === true ? name : projectId };
    },
  );

  /** Harbor lets every user create projects unless it is told otherwise; a robot has to be given that. */
  async function refuseCreation(principal: Principal, mayAlways: boolean): Promise<void> {
    if (principal.kind === 'robot' && isOfProject(principal.name))
      throw forbidden('Only system level robot can create project');
    const { project_creation_restriction } = await ports.configuration();
    const isRestricted = principal.kind === 'robot' || project_creation_restriction === 'adminonly';
    if (isRestricted && !mayAlways) throw forbidden('Only system admin can create project');
    if (principal.kind === 'access-token' && !includes(principal, 'project:create', { kind: 'system' }))
      throw forbidden('the access token was not made to create projects');
  }

  async function ownerFor(principal: Principal) {
    const user = userOf(principal);
    if (user !== undefined) return { username: user.username, userId: user.userId };
    const owner = await queries.firstAdministrator();
    if (owner === undefined) throw forbidden('there is no administrator who could own the project');
    return owner;
  }

  operation(
    api,
    {
      id: 'getProject',
      tag,
      method: 'GET',
      path: project,
      summary: 'A project.',
      answer: shows(projectAnswer),
    },
    async ({ request }) => {
      const { project, roles } = await access.inProject(request, 'project:read');
      const [item] = await shownProjects(ports, [project], () => roles, true);
      if (item === undefined) throw notFound(`project ${project.name} not found`);
      return item;
    },
  );

  operation(
    api,
    {
      id: 'updateProject',
      tag,
      method: 'PUT',
      path: project,
      summary: 'Changes settings of a project, and replaces its list of vulnerabilities that do not count.',
      body: projectForm,
      answer: nothing,
    },
    async ({ request, body }) => {
      const { project, metadata } = await access.inProject(request, 'project:update');
      const form = await body();
      const { name, projectId } = project;
      const retention = retentionIn(form);
      if (retention !== null && retention !== project.metadata.retention_id)
        throw badRequest('the retention policy of a project is not set here');
      // The older field `public` is for the creation alone.
      const settings = settingsOf({ ...form, public: undefined });
      const cveAllowlist = allowlistIn(form, projectId);
      await reached(await commands.changeProject({ name, projectId, ...settings, cveAllowlist }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'deleteProject',
      tag,
      method: 'DELETE',
      path: project,
      summary: 'Deletes a project that holds nothing; its name is free from then on.',
      answer: nothing,
    },
    async ({ request }) => {
      const { project, metadata } = await access.inProject(request, 'project:delete');
      const { name, projectId } = project;
      await reached(await commands.deleteProject({ name, projectId }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'getProjectDeletable',
      tag,
      method: 'GET',
      path: '/projects/:project_name_or_id/_deletable',
      summary: 'Whether a project can be deleted, and why not.',
      answer: shows(
        z.object({ deletable: z.boolean(), message: z.string() }).meta({ id: 'ProjectDeletable' }),
      ),
    },
    async ({ request }) => {
      const { project } = await access.inProject(request, 'project:delete');
      return (await queries.holdsManifests(project.name))
        ? { deletable: false, message: 'the project contains repositories, can not be deleted' }
        : { deletable: true, message: '' };
    },
  );

  operation(
    api,
    {
      id: 'getProjectSummary',
      tag,
      method: 'GET',
      path: '/projects/:project_name_or_id/summary',
      summary: 'How much there is in a project.',
      answer: shows(
        z
          .object({
            repo_count: z.int(),
            project_admin_count: count,
            maintainer_count: count,
            developer_count: count,
            guest_count: count,
            limited_guest_count: count,
            quota: z
              .object({ hard: resources, used: resources })
              .optional()
              .describe('For who may see it, where quotas count'),
          })
          .meta({ id: 'ProjectSummary' }),
      ),
    },
    async ({ request }) => {
      const { principal, project, roles } = await access.inProject(request, 'project:read');
      const mayCount = authorize(principal, 'member:list', { kind: 'project', project, roles });
      const mayMeasure =
        authorize(principal, 'quota:read', { kind: 'project', project, roles }) &&
        (await ports.configuration()).quota_per_project_enable;
      const [repositories, members, quota] = await Promise.all([
        queries.countRepositories([project.name]),
        mayCount ? queries.countRoles(project.projectId) : undefined,
        mayMeasure ? ports.quotas.reached().then(() => ports.quotas.findQuota(project.projectId)) : undefined,
      ]);
      return {
        repo_count: repositories.get(project.name) ?? 0,
        ...(members && {
          project_admin_count: members.get('projectAdmin') ?? 0,
          maintainer_count: members.get('maintainer') ?? 0,
          developer_count: members.get('developer') ?? 0,
          guest_count: members.get('guest') ?? 0,
          limited_guest_count: members.get('limitedGuest') ?? 0,
        }),
        ...(quota && { quota: { hard: { storage: quota.storage }, used: { storage: quota.used } } }),
      };
    },
  );
}

/** What is asked for and cannot be given yet must not seem to be. @throws RequestRefused 400 or 403 */
function refuseCache({ registry_id }: ProjectForm, mayAlways: boolean): void {
  if (registry_id === undefined || registry_id === null) return;
  if (!mayAlways) throw forbidden('Only system admin can create proxy cache project');
  throw badRequest(`there is no registry ${registry_id} that a project could be a cache of`);
}

/** Undefined where the form says nothing of it. @throws RequestRefused 400 */
function allowlistIn({ cve_allowlist: form }: ProjectForm, projectId: number) {
  if (form === undefined || form === null) return undefined;
  if (form.project_id && form.project_id !== projectId)
    throw badRequest('the CVE allowlist is that of another project');
  return readCveAllowlist(form);
}
