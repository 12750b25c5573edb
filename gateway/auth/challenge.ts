import type { FastifyRequest } from 'fastify';
import { RequestRefused } from '../errors.ts';

/** Where the token end point is, on every listener. */
export const tokenPath = '/service/token';

export interface ChallengeSettings {
  /** The name under which tokens are asked for. */
  readonly service: string;
  /** Where clients reach the registry when that is not where they connect to; without a slash at its end. */
  readonly externalUrl: string | undefined;
  /** What stands for the host where the request names none that is fit to be repeated. */
  readonly hostname: string;
}

export interface Fault {
  readonly message: string;
  /** What the client needs, in the words of the token specification: `repository:library/app:pull`. */
  readonly scope?: string | undefined;
  /** RFC 6750, section 3.1; only where a token was sent. */
  readonly error?: 'invalid_token' | 'insufficient_scope';
}

/** Makes the refusal that tells a client where to get a token, and which. */
export type Challenge = (request: FastifyRequest, fault: Fault) => RequestRefused;

/**
 * One challenge in one header, every value quoted: some clients take the first challenge, others read only the first
 * line, and none needs to be told of Basic, which is accepted nevertheless. Always 401, also for a scope that is
 * missing, where RFC 6750 has 403: clients ask for another token on 401 alone.
 */
export const challenger = ({ service, ...settings }: ChallengeSettings): Challenge => {
  const urlFor = urlOf(settings);
  return (request, { message, scope, error }) => {
    const realm = `${urlFor(request)}${tokenPath}`;
    const parameters = Object.entries({ realm, service, scope, error })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}="${value}"`);
    return new RequestRefused({
      status: 401,
      code: 'UNAUTHORIZED',
      message,
      headers: { 'www-authenticate': `Bearer ${parameters.join(',')}` },
    });
  };
};

/** A host name or an address, and a port; what could end a quoted value is not. */
const harmlessHost = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

const hostOf = ({ host }: FastifyRequest, otherwise: string): string =>
  host !== undefined && harmlessHost.test(host) ? host : otherwise;

/** By which scheme, host and port the client of a request reaches the registry, without a slash at the end. */
export const urlOf =
  ({ externalUrl, hostname }: Pick<ChallengeSettings, 'externalUrl' | 'hostname'>) =>
  (request: FastifyRequest): string =>
    externalUrl ?? `${request.protocol}://${hostOf(request, hostname)}`;
