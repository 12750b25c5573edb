import { createHash, randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { cookiesOf, isSecure, setCookie } from './cookies.ts';

const cookieName = 'sid';
/** 32 random bytes, base64url. */
const form = /^[A-Za-z0-9_-]{43}$/;

/** Whether the request has the cookie of a session, whatever is in it. */
export const isSessionSent = (request: FastifyRequest): boolean => cookiesOf(request, cookieName).length > 0;

/**
 * The id of the request's session, which may not be open. Undefined also for several: one of them is from somebody who
 * can set cookies for the whole domain and would like his own session to be used.
 */
export function sessionIdOf(request: FastifyRequest): string | undefined {
  const [id, ...others] = new Set(cookiesOf(request, cookieName));
  return id !== undefined && others.length === 0 && form.test(id) ? id : undefined;
}

export const newSessionId = (): string => randomBytes(32).toString('base64url');

/** Under what a session is kept. */
export const hashOfSessionId = (id: string): string => createHash('sha256').update(id).digest('base64url');

/** Gives a browser the id of its session, and takes it away for null. */
export const sendSessionId = (
  request: FastifyRequest,
  reply: FastifyReply,
  id: string | null,
  externalUrl: string | undefined,
): void => setCookie(reply, cookieName, id, { sameSite: 'Lax', secure: isSecure(request, externalUrl) });
