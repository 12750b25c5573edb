import type { FastifyRequest } from 'fastify';
import { authorize } from '../../domain/access/authorize.ts';
import type { Permission } from '../../domain/access/permission.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import type { Metadata } from '../../domain/event.ts';
import type { Project } from '../../projections/projects/queries.ts';
import { metadataOf } from '../auth/origin.ts';
import { remember } from './asked-again.ts';
import { forbidden, notFound, unauthorized } from './faults.ts';
import { storable } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { projectNamedIn } from './project-named.ts';

/** Who asks, and how the events of the request are signed. */
export interface Asker {
  readonly request: FastifyRequest;
  readonly principal: Principal;
  readonly metadata: Metadata;
}

export interface InProject extends Asker {
  readonly project: Project;
  readonly roles: readonly Role[];
}

/**
 * The questions by which a route begins; each throws RequestRefused 401 or 403 where the answer is no. They are asked
 * again when the body of the request is there.
 */
export interface Access {
  /** Whoever it is. */
  anyone(request: FastifyRequest): Promise<Asker>;
  /** What is asked of who it is once more when the body is there, for a question of the route's own. */
  again(request: FastifyRequest, question: (asker: Asker) => unknown): void;
  /** Somebody. */
  known(request: FastifyRequest): Promise<Asker>;
  /** The same once more, when the body was read, which may have come slowly; not counted a second time. */
  stillKnown(request: FastifyRequest): Promise<Asker>;
  /** Who may do this to the system. */
  inSystem(request: FastifyRequest, permission: Permission): Promise<Asker>;
  /** The same, where it is known who asks. */
  requireInSystem(asker: Asker, permission: Permission): void;
  /** Who may do this in the project that the path names, by its number or its name. @throws 404 too */
  inProject(request: FastifyRequest, permission: Permission): Promise<InProject>;
  /** The same for a project of this name. */
  inNamedProject(asker: Asker, name: string, permission: Permission): Promise<InProject>;
  /** The same for the project of this number. */
  inNumberedProject(asker: Asker, projectId: number, permission: Permission): Promise<InProject>;
  /** The same for what is of a project, or of the system where it is of none. */
  inProjectOrSystem(
    asker: Asker,
    projectId: number | null | undefined,
    permission: Permission,
  ): Promise<void>;
}

export function accessTo(ports: ApiPorts): Access {
  const { identify, identifyAgain, rolesOf, currentTraceparent, queries } = ports;

  const askerOf = (request: FastifyRequest, principal: Principal): Asker => ({
    request,
    principal,
    metadata: metadataOf(request, principal, currentTraceparent()),
  });
  const anyone = async (request: FastifyRequest) => askerOf(request, await identify(request));

  function somebody(asker: Asker): Asker {
    if (asker.principal.kind === 'anonymous') throw unauthorized();
    return asker;
  }
  const stillAsker = async (request: FastifyRequest) => askerOf(request, await identifyAgain(request));
  const again: Access['again'] = (request, question) =>
    remember(request, async () => question(await stillAsker(request)));

  async function known(request: FastifyRequest): Promise<Asker> {
    again(request, somebody);
    return somebody(await anyone(request));
  }

  function requireInSystem(asker: Asker, permission: Permission): void {
    again(asker.request, (still) => requirePermitted(still, permission));
    requirePermitted(asker, permission);
  }

  function requirePermitted({ principal }: Asker, permission: Permission): void {
    if (authorize(principal, permission, { kind: 'system' })) return;
    if (principal.kind === 'anonymous') throw unauthorized();
    throw forbidden(`${nameOf(principal)} has no permission for ${permission}`);
  }

  /** @param find the project that is called so, as of now. */
  async function permitted(
    asker: Asker,
    find: () => Promise<Project | undefined>,
    named: string,
    permission: Permission,
  ): Promise<InProject> {
    const { principal } = asker;
    const project = (await find()) ?? null;
    const roles = project === null ? [] : await rolesOf(principal, project.projectId);
    if (!authorize(principal, permission, { kind: 'project', project, roles })) throw refusalTo(principal);
    // Only for who may know; to others it is like one that they may not see.
    if (project === null) throw notFound(`project ${named} not found`);
    return { ...asker, project, roles };
  }

  async function inProject(
    asker: Asker,
    find: () => Promise<Project | undefined>,
    named: string,
    permission: Permission,
  ): Promise<InProject> {
    const first = await permitted(asker, find, named, permission);
    again(asker.request, async (still) => {
      const { project } = await permitted(still, find, named, permission);
      // Another one bears the name by now.
      if (project.projectId !== first.project.projectId) throw notFound(`project ${named} not found`);
    });
    return first;
  }

  const inNumberedProject: Access['inNumberedProject'] = (asker, projectId, permission) =>
    inProject(asker, () => queries.findProjectById(storable(projectId)), String(projectId), permission);

  return {
    anyone,
    again,
    known,
    stillKnown: async (request) => somebody(await stillAsker(request)),

    async inSystem(request, permission) {
      const asker = await known(request);
      requireInSystem(asker, permission);
      return asker;
    },

    requireInSystem,

    async inProject(request, permission) {
      const asker = await anyone(request);
      const { named, find } = projectNamedIn(request, queries);
      return inProject(asker, find, named, permission);
    },

    inNamedProject: (asker, name, permission) =>
      inProject(asker, () => queries.findProject(name), name, permission),

    inNumberedProject,

    async inProjectOrSystem(asker, projectId, permission) {
      if (projectId == null) requireInSystem(asker, permission);
      else await inNumberedProject(asker, projectId, permission);
    },
  };
}

/** Who is not logged in could be permitted after that; who is, could not. */
export const refusalTo = (principal: Principal) =>
  principal.kind === 'anonymous' ? unauthorized() : forbidden();

const nameOf = (principal: Principal): string => {
  switch (principal.kind) {
    case 'anonymous':
      return 'nobody';
    case 'user':
    case 'access-token':
      return principal.username;
    case 'robot':
      return principal.name;
  }
};
