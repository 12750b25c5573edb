import type { FastifyRequest } from 'fastify';
import { authorize } from '../../domain/access/authorize.ts';
import { actorOf, type Principal } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import type { Metadata } from '../../domain/event.ts';
import { Refusal } from '../../domain/refusal.ts';
import { projectOf } from '../../domain/repository.ts';
import { type Authenticate, unauthorized } from '../auth/authenticate.ts';
import { RequestRefused } from '../errors.ts';
import type { Limit } from '../rate-limit.ts';
import { readName } from './paths.ts';

export interface AccessPorts {
  readonly authenticate: Authenticate;
  readonly limit: Limit;
  findProject(name: string): Promise<{ readonly name: string; readonly public: boolean } | undefined>;
  /** The roles that the principal has in the project. */
  rolesOf(principal: Principal, project: string): Promise<readonly Role[]>;
  /** The trace that the request belongs to (W3C Trace Context), while tracing is on. */
  currentTraceparent(): string | undefined;
}

/** What a permitted request may do, and how its events are signed. */
export interface Permitted {
  readonly repository: string;
  readonly principal: Principal;
  readonly metadata: Metadata;
}

/** What a route needs, in the words of the token specification. */
export type Action = 'pull' | 'push' | 'delete';

/** Every `/v2/<name>/…` route passes through here before it does anything else. */
export type Permit = (request: FastifyRequest, action: Action) => Promise<Permitted>;

/** @throws RequestRefused 400, 401 or 403. @throws Refusal `project-unknown`, for those who may know. */
export const permitter =
  ({ authenticate, limit, findProject, rolesOf, currentTraceparent }: AccessPorts): Permit =>
  async (request, action) => {
    const repository = readName(request.params);
    const principal = await authenticate(request.headers.authorization);
    await limit(principal, request.ip);
    const name = projectOf(repository);
    const project = (await findProject(name)) ?? null;
    const roles = project === null ? [] : await rolesOf(principal, name);
    if (!authorize(principal, `repository:${action}`, { kind: 'project', project, roles })) {
      // Without credentials the answer is the same whether or not the project exists.
      if (principal.kind === 'anonymous') throw unauthorized('authentication required');
      throw new RequestRefused({
        status: 403,
        code: 'DENIED',
        message: `no permission to ${action} ${repository}`,
      });
    }
    if (project === null) throw new Refusal({ kind: 'project-unknown', project: name });
    return { repository, principal, metadata: metadataOf(request, principal, currentTraceparent()) };
  };

function metadataOf(
  request: FastifyRequest,
  principal: Principal,
  traceparent: string | undefined,
): Metadata {
  const userAgent = request.headers['user-agent'];
  return {
    actor: actorOf(principal),
    requestId: request.id,
    correlationId: request.id,
    clientIp: request.ip,
    ...(userAgent !== undefined && { userAgent: userAgent.slice(0, 512) }),
    ...(traceparent !== undefined && { traceparent }),
  };
}
