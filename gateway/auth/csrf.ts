import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RequestRefused } from '../errors.ts';
import { cookiesOf, isSecure, setCookie } from './cookies.ts';
import { isSessionSent } from './session-cookie.ts';

export interface CsrfPorts {
  /** A keyed hash, the same at every gateway of the installation; base64url. */
  sign(token: string): string;
  /** Where clients reach the registry when that is not where they connect to. */
  readonly externalUrl: string | undefined;
}

const cookieName = '_gorilla_csrf';
const headerName = 'x-harbor-csrf-token';
const tokenBytes = 32;
const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
/** What clients ask that are no browsers; with the cookie of a session they are checked there as well. */
const forPrograms = /^\/(?:api|v2|service)\//;

/**
 * Keeps other sites from acting in the name of who has logged in here with his browser, as Harbor does (double
 * submit): a signed cookie holds a token, and a request that changes something repeats the token in a header, masked
 * anew at each answer, since compressed answers would give away what never changes. Every answer to a request that is
 * checked carries both, also the refusal, from which clients take them and try again.
 * @param unchecked paths that are no pages.
 */
export function refuseForgedRequests(
  app: FastifyInstance,
  { sign, externalUrl }: CsrfPorts,
  unchecked: ReadonlySet<string>,
): void {
  app.addHook('onRequest', (request, reply, done) => {
    const isForPrograms = forPrograms.test(request.url) || unchecked.has(request.url);
    if (isForPrograms && !isSessionSent(request)) return done();
    const secure = isSecure(request, externalUrl);
    const known = tokenOf(request, sign);
    const token = known ?? randomBytes(tokenBytes);
    give(reply, token, secure);
    // Where nothing is, nothing can be done in anybody's name.
    if (safe.has(request.method) || request.is404) return done();
    const fault =
      (secure ? faultOfOrigin(request, externalUrl) : undefined) ??
      (isRepeated(request, known) ? undefined : 'CSRF token invalid');
    done(fault === undefined ? undefined : refusal(request.url, fault));
  });

  function give(reply: FastifyReply, token: Buffer, secure: boolean): void {
    const text = token.toString('base64url');
    setCookie(reply, cookieName, `${text}.${sign(text)}`, { sameSite: 'Strict', secure });
    reply.header(headerName, mask(token)).header('vary', 'Cookie');
  }
}

/** The token of the request's cookie; undefined where that is not one of ours. */
function tokenOf(request: FastifyRequest, sign: CsrfPorts['sign']): Buffer | undefined {
  for (const cookie of cookiesOf(request, cookieName)) {
    const [, text = '', signature = ''] = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/.exec(cookie) ?? [];
    if (text !== '' && isSame(Buffer.from(signature), Buffer.from(sign(text))))
      return Buffer.from(text, 'base64url');
  }
  return undefined;
}

/** A random mask, and the token under it. */
function mask(token: Buffer): string {
  const key = randomBytes(tokenBytes);
  return Buffer.concat([key, xor(key, token)]).toString('base64');
}

function isRepeated({ headers }: FastifyRequest, token: Buffer | undefined): boolean {
  const given = headers[headerName];
  if (token === undefined || typeof given !== 'string' || !/^[A-Za-z0-9+/]{86}==$/.test(given)) return false;
  const bytes = Buffer.from(given, 'base64');
  return isSame(xor(bytes.subarray(0, tokenBytes), bytes.subarray(tokenBytes)), token);
}

const xor = (one: Buffer, other: Buffer): Buffer =>
  Buffer.from(one.map((byte, at) => byte ^ (other[at] ?? 0)));

const isSame = (one: Buffer, other: Buffer): boolean =>
  one.length === other.length && timingSafeEqual(one, other);

/**
 * Where TLS protects what browsers show, who sits between them and another host of the domain, or has that host, could
 * still set cookies for this one. So the page has to be one of ours, which a page cannot lie about.
 */
function faultOfOrigin(request: FastifyRequest, externalUrl: string | undefined): string | undefined {
  const { origin, referer } = request.headers;
  const own = new Set([originOf(`https://${request.host}`), originOf(externalUrl ?? '')]);
  own.delete(undefined);
  if (origin !== undefined && !own.has(originOf(origin))) return 'origin invalid';
  if (referer === undefined || referer === '') return 'referer not supplied';
  return own.has(originOf(referer)) ? undefined : 'referer invalid';
}

function originOf(url: string): string | undefined {
  const { protocol, host } = URL.parse(url) ?? {};
  return protocol === undefined || !host ? undefined : `${protocol}//${host}`;
}

const refusal = (url: string, message: string): RequestRefused =>
  new RequestRefused({
    status: 403,
    // The distribution-spec has another word.
    code: url.startsWith('/v2/') ? 'DENIED' : 'FORBIDDEN',
    message,
  });
