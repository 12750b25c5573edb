import type { FastifyRequest } from 'fastify';
import type { Principal } from '../../domain/access/principal.ts';
import { RequestRefused } from '../errors.ts';
import { type Authenticate, anonymous } from './authenticate.ts';
import type { Sessions } from './sessions.ts';

export interface IdentifyPorts {
  readonly authenticate: Authenticate;
  readonly sessions: Pick<Sessions, 'identify'>;
}

/**
 * Who a request comes from where a browser may ask too: by the Authorization header, or else by the session. Wrong
 * credentials make nobody of the caller here, as with Harbor, and are no refusal by themselves. Neither do tokens of
 * the registry say anything here: they were given for repositories, and must not open more than those.
 */
export const identifyWith =
  ({ authenticate, sessions }: IdentifyPorts) =>
  async (request: FastifyRequest): Promise<Principal> => {
    const principal = await byCredentials(authenticate, request);
    if (principal.kind !== 'anonymous') return principal;
    return (await sessions.identify(request))?.principal ?? anonymous;
  };

async function byCredentials(authenticate: Authenticate, request: FastifyRequest): Promise<Principal> {
  try {
    const { principal, token } = await authenticate(request);
    return token === undefined ? principal : anonymous;
  } catch (error) {
    if (error instanceof RequestRefused && error.answer.status === 401) return anonymous;
    throw error;
  }
}
