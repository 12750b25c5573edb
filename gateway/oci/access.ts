import type { FastifyRequest } from 'fastify';
import type { Principal } from '../../domain/access/principal.ts';
import type { Metadata } from '../../domain/event.ts';
import { Refusal } from '../../domain/refusal.ts';
import { projectOf } from '../../domain/repository.ts';
import { type Authenticate, anonymous, type Caller } from '../auth/authenticate.ts';
import type { Challenge } from '../auth/challenge.ts';
import { metadataOf } from '../auth/origin.ts';
import { type Action, mayListCatalog, type PermissionPorts, standingIn } from '../auth/permissions.ts';
import { covers } from '../auth/scopes.ts';
import { RequestRefused } from '../errors.ts';
import type { Limit } from '../rate-limit.ts';
import { readName } from './paths.ts';

export interface AccessPorts extends PermissionPorts {
  readonly authenticate: Authenticate;
  readonly challenge: Challenge;
  readonly limit: Limit;
  /** Reads within `work` show what was recorded before this call. */
  asOfNow<Result>(work: () => Result): Result;
  /** The trace that the request belongs to (W3C Trace Context), while tracing is on. */
  currentTraceparent(): string | undefined;
}

/** What a permitted request may do, and how its events are signed. */
export interface Permitted {
  readonly repository: string;
  /** The number of its project; 0 where there is none. */
  readonly projectId: number;
  readonly principal: Principal;
  readonly metadata: Metadata;
  /**
   * Resolves where the same may still do the same in the same project. A body takes the time that its client likes, so
   * it is asked when that is there and nothing is recorded yet.
   * @throws RequestRefused 401 or 403. @throws Refusal `project-unknown`, also where another project has the name by now
   */
  confirm(): Promise<void>;
}

/** Every `/v2/<name>/…` route passes through here before it does anything else. */
export type Permit = (request: FastifyRequest, action: Action) => Promise<Permitted>;

/** What a request is about to do. */
interface Need {
  readonly type: 'repository' | 'registry';
  readonly name: string;
  readonly action: string;
  /** What a client has to ask the token service for. */
  readonly scope: string;
  /** How the message of a refusal begins. */
  readonly refusal: string;
}

/** Who pushes also reads; clients keep one token for both. */
const askedFor: Readonly<Record<Action, string>> = { pull: 'pull', push: 'pull,push', delete: 'delete' };

/**
 * @param needs whether the project has to be there, for those who may know that it is not.
 * @throws RequestRefused 400, 401, 403 or 429. @throws Refusal `project-unknown`
 */
export const permitter =
  (ports: AccessPorts, needs: 'project' | 'no project' = 'project'): Permit =>
  async (request, action) => {
    const repository = readName(request.params);
    const need: Need = {
      type: 'repository',
      name: repository,
      action,
      scope: `repository:${repository}:${askedFor[action]}`,
      // Harbor's words, which scripts look for.
      refusal: `unauthorized to access repository: ${repository}, action: ${action}`,
    };
    const caller = await ports.authenticate(request, need.scope);
    const { principal } = caller;
    await ports.limit(principal, request.ip);
    const projectId = await projectFor(principal);
    return {
      repository,
      projectId,
      principal,
      metadata: metadataOf(request, principal, ports.currentTraceparent()),
      confirm: () => ports.asOfNow(confirm),
    };

    /** The number of the project in which he may do it. */
    async function projectFor(principal: Principal): Promise<number> {
      const { project, may } = await standingIn(ports, principal, repository);
      requirePermission(ports, request, { ...caller, principal }, need, may(action));
      if (project === null && needs === 'project') throw unknownProject();
      return project?.projectId ?? 0;
    }

    async function confirm(): Promise<void> {
      const now = await caller.again();
      if (now === undefined)
        throw ports.challenge(request, { message: 'the account has changed meanwhile', scope: need.scope });
      if ((await projectFor(now)) !== projectId) throw unknownProject();
    }

    function unknownProject(): Refusal {
      return new Refusal({ kind: 'project-unknown', project: projectOf(repository) });
    }
  };

/**
 * Whether the account that sends the request may pull from a repository other than that of its path; what it names may
 * be anything. A token need not cover that repository: clients ask for one for the repository that they push to.
 */
export type MayPull = (request: FastifyRequest, repository: string) => Promise<boolean>;

export const pullQuestion =
  (ports: AccessPorts): MayPull =>
  async (request, repository) => {
    const { principal } = await ports.authenticate(request);
    return (await standingIn(ports, principal, repository)).may('pull');
  };

/** Lets a request through that may list all repositories. @throws RequestRefused 401, 403 or 429. */
export const catalogPermitter =
  (ports: AccessPorts) =>
  async (request: FastifyRequest): Promise<void> => {
    const need: Need = {
      type: 'registry',
      name: 'catalog',
      action: '*',
      scope: 'registry:catalog:*',
      refusal: 'unauthorized to list catalog',
    };
    const caller = await ports.authenticate(request, need.scope);
    await ports.limit(caller.principal, request.ip);
    requirePermission(ports, request, caller, need, mayListCatalog(caller.principal));
  };

/**
 * A client asks for a token on 401 alone. So 403 is for those only whom no other token would help: who came with a
 * password, or whose token service was asked for this very thing. Whoever is anonymous could still log in.
 */
function requirePermission(
  { challenge }: AccessPorts,
  request: FastifyRequest,
  { principal, token }: Caller,
  need: Need,
  isAllowed: boolean,
): void {
  const isCovered = token === undefined || covers(token.access, need);
  if (isAllowed && isCovered) return;
  const { scope, refusal } = need;
  if (principal.kind === anonymous.kind && token === undefined)
    throw challenge(request, { message: `${refusal}: authentication required`, scope });
  const wasAsked = token === undefined || isCovered || covers(token.refused, need);
  if (principal.kind === anonymous.kind || isAllowed || !wasAsked)
    throw challenge(request, {
      message: `${refusal}: the token does not cover it`,
      scope,
      error: 'insufficient_scope',
    });
  throw new RequestRefused({ status: 403, code: 'DENIED', message: `${refusal}: no permission` });
}
