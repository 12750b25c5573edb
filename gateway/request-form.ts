import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { RequestRefused } from './errors.ts';

/**
 * Refuses requests that a proxy in front of the registry may understand otherwise than the registry does, which is
 * how one request is smuggled inside another: Node.js takes the first of two Host headers, a fragment in the target
 * and transfer codings before `chunked`.
 */
export function refuseDoubtfulRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const fault = faultOf(request.raw, request.originalUrl);
    if (fault === undefined) return done();
    // Where its body ends is in doubt too, so nothing may follow on the connection.
    const headers = { connection: 'close' };
    done(new RequestRefused({ status: 400, code: 'BAD_REQUEST', message: fault, headers }));
  });
}

function faultOf({ rawHeaders, headers, httpVersion }: IncomingMessage, target: string): string | undefined {
  // Node.js reads what names 0.9 or 2.0 as if it were 1.1.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'the version of HTTP is 1.1 or 1.0';
  let hosts = 0;
  let authorizations = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    else if (name.length === 13 && name.toLowerCase() === 'authorization') authorizations += 1;
  }
  // RFC 9112 section 3.2.
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return 'a request has one Host header';
  if (authorizations > 1) return 'a request has at most one Authorization header';
  if (target.includes('#')) return 'the target of a request has no fragment';
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0'))
    return 'the only transfer coding is chunked';
  return undefined;
}

/** Refuses encoded bodies: they are stored and hashed as they come, and inflating them is how a small one grows. */
export function refuseEncodedBodies(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { method, headers } = request;
    const encoding = headers['content-encoding'];
    if (encoding === undefined || method === 'GET' || method === 'HEAD' || /^identity$/i.test(encoding))
      return done();
    done(
      new RequestRefused({
        status: 415,
        code: 'UNSUPPORTED',
        message: 'a body is sent without a Content-Encoding',
        headers: { 'accept-encoding': 'identity' },
      }),
    );
  });
}

/**
 * The target of a request as a path with its query. What a client writes to a proxy names the host as well (RFC
 * 9112 section 3.2.2), which is not looked at.
 */
export function pathOf(target: string): string {
  if (target.startsWith('/')) return target;
  const [, rest] = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/is.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith('/') ? rest : `/${rest}`;
}
