import type { FastifyRequest } from 'fastify';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What an Authorization header holds, before anything of it is believed. */
export type Authorization =
  /** No header, or empty Basic credentials, as some clients send them for "none". */
  | { readonly scheme: 'none' }
  | { readonly scheme: 'basic'; readonly credentials: Credentials }
  | { readonly scheme: 'bearer'; readonly token: string }
  | { readonly scheme: 'malformed'; readonly fault: string };

/** RFC 7617 and RFC 6750, section 2.1. */
export function readAuthorization({ headers }: FastifyRequest): Authorization {
  const { authorization } = headers;
  if (authorization === undefined) return { scheme: 'none' };
  const [, token] = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization) ?? [];
  if (token !== undefined) return { scheme: 'bearer', token };
  const [, encoded] = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization) ?? [];
  if (encoded === undefined) return malformed('the Authorization header is neither Basic nor Bearer');
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon === -1 || text.includes('\0')) return malformed('the Basic credentials are malformed');
  if (text === ':') return { scheme: 'none' };
  const credentials = { username: text.slice(0, colon), password: text.slice(colon + 1) };
  return { scheme: 'basic', credentials };
}

const malformed = (fault: string): Authorization => ({ scheme: 'malformed', fault });
