import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * All values of the cookie `name` that the request has, in their order: a browser sends one for each domain and path
 * that somebody has set it for, and says of none which.
 */
export function cookiesOf({ headers }: FastifyRequest, name: string): readonly string[] {
  const { cookie } = headers;
  // Most requests have none.
  if (cookie === undefined || !cookie.includes(name)) return [];
  return cookie.split(';').flatMap((pair) => {
    const equals = pair.indexOf('=');
    return equals !== -1 && pair.slice(0, equals).trim() === name ? [pair.slice(equals + 1).trim()] : [];
  });
}

export interface CookieSettings {
  /** `Lax` comes along when a link of another site leads here, `Strict` does not. */
  readonly sameSite: 'Lax' | 'Strict';
  /** Whether it is sent over TLS alone. */
  readonly secure: boolean;
}

/** Sets a cookie that no script sees and that goes with the browser; `null` removes it. */
export function setCookie(
  reply: FastifyReply,
  name: string,
  value: string | null,
  { sameSite, secure }: CookieSettings,
): void {
  const end = value === null ? '; Max-Age=0' : '';
  // Added to those that are set already.
  reply.header(
    'set-cookie',
    `${name}=${value ?? ''}; Path=/${end}; HttpOnly; SameSite=${sameSite}${secure ? '; Secure' : ''}`,
  );
}

/** Whether the client reaches the registry by TLS, here or at a proxy. */
export const isSecure = (request: FastifyRequest, externalUrl: string | undefined): boolean =>
  externalUrl === undefined ? request.protocol === 'https' : externalUrl.startsWith('https:');
