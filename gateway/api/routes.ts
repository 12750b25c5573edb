import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Principal } from '../../domain/access/principal.ts';
import { Refusal } from '../../domain/refusal.ts';
import { type Authenticate, anonymous } from '../auth/authenticate.ts';
import { RequestRefused } from '../errors.ts';
import type { AccessPorts } from '../oci/access.ts';
import { accessTo } from './access.ts';
import { documentRoutes } from './document.ts';
import { notFound } from './faults.ts';
import { memberRoutes } from './members.ts';
import { directoryRoutes } from './not-yet/directories.ts';
import { preheatingRoutes } from './not-yet/preheating.ts';
import { registryRoutes } from './not-yet/registries.ts';
import { replicationRoutes } from './not-yet/replication.ts';
import { scanningRoutes } from './not-yet/scanning.ts';
import { refuseBadQueries } from './parameters.ts';
import { permissionRoutes } from './permissions.ts';
import type { ApiParts, ApiPorts } from './ports.ts';
import { projectRoutes } from './projects.ts';
import { robotRoutes } from './robots.ts';
import { searchRoutes } from './search.ts';
import { systemRoutes } from './system.ts';
import { answerUnknownPaths } from './unknown-paths.ts';
import { userRoutes } from './users.ts';

export interface ManagementPorts
  extends Pick<AccessPorts, 'authenticate' | 'limit' | 'rolesOf' | 'currentTraceparent'> {
  readonly api: ApiParts;
  isReady(): boolean;
}

/** The management API under `/api/v2.0`, compatible with that of Harbor. */
export function managementApi(app: FastifyInstance, ports: ManagementPorts): void {
  app.get('/api/version', async () => ({ version: 'v2.0' }));
  // Where Harbor has its explorer of the API.
  app.get('/devcenter-api-2.0', (_request, reply) => reply.redirect('/api/v2.0/reference'));

  app.register(
    async (api) => {
      const { rolesOf, currentTraceparent } = ports;
      const parts: ApiPorts = {
        ...ports.api,
        rolesOf,
        currentTraceparent,
        identify: identityOf(ports),
      };
      const access = accessTo(parts);

      answerUnknownPaths(api);
      documentRoutes(api, parts.version);
      api.addHook('onRequest', async (request) => {
        refuseBadQueries(request);
        if (!ports.isReady()) throw starting;
      });
      api.setErrorHandler((error) => {
        throw inWordsOfTheApi(error);
      });
      systemRoutes(api, access);
      userRoutes(api, parts, access);
      projectRoutes(api, parts, access);
      memberRoutes(api, parts, access);
      robotRoutes(api, parts, access);
      permissionRoutes(api, parts, access);
      searchRoutes(api, parts, access);
      for (const routes of [
        directoryRoutes,
        preheatingRoutes,
        registryRoutes,
        replicationRoutes,
        scanningRoutes,
      ])
        routes(api, access);
    },
    { prefix: '/api/v2.0' },
  );
}

const starting = new RequestRefused({
  status: 503,
  code: 'UNAVAILABLE',
  message: 'the registry is starting',
  headers: { 'retry-after': '1' },
});

/**
 * Wrong credentials make nobody of the caller here, as with Harbor, and are no refusal by themselves. Neither do tokens
 * of the registry say anything here: they were given for repositories, and must not open more than those.
 */
const identityOf =
  ({ authenticate, limit }: Pick<ManagementPorts, 'authenticate' | 'limit'>): ApiPorts['identify'] =>
  async (request) => {
    const principal = await callerOf(authenticate, request);
    await limit(principal, request.ip);
    return principal;
  };

async function callerOf(authenticate: Authenticate, request: FastifyRequest): Promise<Principal> {
  try {
    const { principal, token } = await authenticate(request);
    return token === undefined ? principal : anonymous;
  } catch (error) {
    if (error instanceof RequestRefused && error.answer.status === 401) return anonymous;
    throw error;
  }
}

/** What the distribution protocol says otherwise. */
function inWordsOfTheApi(error: unknown): unknown {
  if (error instanceof Refusal && error.reason.kind === 'project-unknown')
    return notFound(`project ${error.reason.project} not found`);
  return error;
}
