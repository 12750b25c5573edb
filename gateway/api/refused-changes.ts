import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RecordRefusedChange } from '../../commands/record-refused-change.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { RefusableType, RefusedChange } from '../../domain/audit/events.ts';
import { recordedName } from '../../domain/login/events.ts';
import { metadataOf } from '../auth/origin.ts';
import { RequestRefused } from '../errors.ts';
import { bodyOf } from './body.ts';
import { storable } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { projectNamedIn } from './project-named.ts';

/** What Harbor's audit log tells of also where it failed. */
const changes: Readonly<Record<string, RefusableType>> = {
  createUser: 'create_user',
  updateUserProfile: 'update_user',
  updateUserPassword: 'update_user',
  setUserSysAdmin: 'update_user',
  deleteUser: 'delete_user',
  createProjectMember: 'create_member',
  updateProjectMember: 'update_member',
  deleteProjectMember: 'delete_member',
  updateProject: 'update_project',
  addProjectMetadatas: 'update_project',
  updateProjectMetadata: 'update_project',
  deleteProjectMetadata: 'update_project',
  updateConfigurations: 'update_configuration',
};

export interface RefusedChangesPorts {
  readonly recordRefusedChange: RecordRefusedChange;
}
type Ports = RefusedChangesPorts & Pick<ApiPorts, 'queries' | 'findUserGroup' | 'currentTraceparent'>;

const askers = new WeakMap<FastifyRequest, Principal>();

/** Whoever it turns out to be that sends the request. */
export const rememberAsker = (request: FastifyRequest, principal: Principal) =>
  askers.set(request, principal);

/**
 * Has changes recorded that were refused to somebody who has logged in, when that is answered. What nobody known has tried
 * says nothing of anybody, and could come without end.
 */
export function tellOfRefusedChanges(api: FastifyInstance, ports: Ports): void {
  api.addHook('onResponse', (request, reply, done) => {
    done();
    const change = changes[request.routeOptions.config.operation?.id ?? ''];
    const principal = askers.get(request);
    // What ends with 5xx may have been done: recorded but not visible in time, or with an answer of the log that was lost.
    if (change === undefined || reply.statusCode < 400 || reply.statusCode >= 500) return;
    if (principal === undefined || principal.kind === 'anonymous') return;
    tell(request, reply, change, principal).catch((error) =>
      request.log.warn({ err: error }, 'a refused change is not recorded'),
    );
  });

  async function tell(
    request: FastifyRequest,
    { statusCode: status }: FastifyReply,
    change: RefusableType,
    principal: Principal,
  ): Promise<void> {
    const metadata = readMetadata(request, principal);
    if (metadata === undefined) return;
    ports.recordRefusedChange({ change, ...(await namesIn(request, change)), status }, metadata);
  }

  /** Undefined where the request says why in a way that cannot be kept. */
  function readMetadata(request: FastifyRequest, principal: Principal) {
    try {
      return metadataOf(request, principal, ports.currentTraceparent());
    } catch (error) {
      if (error instanceof RequestRefused) return undefined;
      throw error;
    }
  }

  type Names = Pick<RefusedChange, 'resource' | 'entityType' | 'project' | 'projectId'>;

  /** Names that somebody gave, of whom there may be nobody, are kept as those of logins are. */
  async function namesIn(request: FastifyRequest, change: RefusableType): Promise<Names> {
    const { user_id, mid } = request.params as Record<string, string>;
    switch (change) {
      case 'update_configuration':
        return { resource: 'configuration' };
      case 'create_user':
        return { resource: nameIn(bodyOf(request), 'username') };
      case 'update_user':
      case 'delete_user':
        return { resource: await usernameOf(user_id) };
      case 'update_project': {
        const project = await projectIn(request);
        return { ...project, resource: project.project };
      }
      default: {
        const project = await projectIn(request);
        return { ...project, ...(await memberIn(request, project.projectId, mid)) };
      }
    }
  }

  async function projectIn(request: FastifyRequest) {
    const { named, find } = readProject(request) ?? { named: '', find: async () => undefined };
    const found = named.includes('\0') ? undefined : await find();
    if (found === undefined) return { project: recordedName(named) };
    return { project: found.name, projectId: found.projectId };
  }

  /** Undefined where the request does not say what it names. */
  function readProject(request: FastifyRequest) {
    try {
      return projectNamedIn(request, ports.queries);
    } catch (error) {
      if (error instanceof RequestRefused) return undefined;
      throw error;
    }
  }

  async function memberIn(
    request: FastifyRequest,
    projectId: number | undefined,
    mid: string | undefined,
  ): Promise<Pick<RefusedChange, 'resource' | 'entityType'>> {
    if (mid !== undefined) {
      const isThere = projectId !== undefined && /^\d{1,15}$/.test(mid);
      const member = isThere ? await ports.queries.findMember(projectId, storable(Number(mid))) : undefined;
      if (member === undefined) return { resource: recordedName(mid) };
      return { resource: member.entityName, entityType: member.entityType };
    }
    const { member_user, member_group } = (bodyOf(request) ?? {}) as Record<string, unknown>;
    const group = nameIn(member_group, 'group_name');
    const groupId = numberIn(member_group, 'id');
    if (group !== '') return { resource: group, entityType: 'group' };
    if (groupId !== undefined) {
      const found = await ports.findUserGroup(storable(groupId));
      return { resource: found?.name ?? String(groupId), entityType: 'group' };
    }
    const userId = numberIn(member_user, 'user_id');
    const resource = nameIn(member_user, 'username') || (userId ? await usernameOf(String(userId)) : '');
    return { resource, entityType: 'user' };
  }

  async function usernameOf(userId = ''): Promise<string> {
    const user = /^\d{1,15}$/.test(userId)
      ? await ports.queries.findUser(storable(Number(userId)))
      : undefined;
    return user?.username ?? recordedName(userId);
  }
}

function nameIn(of: unknown, key: string): string {
  const name = (of as Readonly<Record<string, unknown>> | null | undefined)?.[key];
  return typeof name === 'string' ? recordedName(name) : '';
}

function numberIn(of: unknown, key: string): number | undefined {
  const id = (of as Readonly<Record<string, unknown>> | null | undefined)?.[key];
  return typeof id === 'number' && Number.isInteger(id) && id > 0 ? id : undefined;
}
