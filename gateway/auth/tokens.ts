import { hash, randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { type TokenSubject, tokenSubject } from '../../domain/access/subject.ts';
import type { KeyRing } from './key-ring.ts';
import { maxScopes, type ResourceActions, resourceActions } from './scopes.ts';

const issuer = 'shiplog';
/** Clocks of gateways may differ by so much, in seconds. */
const leewaySeconds = 60;
/** More than a token for as many repositories as may be asked for needs; a longer one is not looked at. */
const maxTokenLength = 16 * 1024;
/** Verified tokens that are remembered: in all so many characters. */
const rememberedLength = 8 * 1024 * 1024;
const maxRemembered = 10_000;

const grants = z.array(resourceActions).max(maxScopes).nullish();

const claims = z.object({
  iat: z.int(),
  nbf: z.int(),
  exp: z.int(),
  access: grants.transform((access) => access ?? []),
  /** What was asked for and not granted: logging in again would not help. */
  refused: grants.transform((refused) => refused ?? []),
  /** Null for anonymous. */
  subject: tokenSubject.nullable(),
});

/** What a valid token says. It limits what its bearer may do; what he may is asked anew at every request. */
export interface TokenContent {
  readonly subject: TokenSubject | null;
  readonly access: readonly ResourceActions[];
  readonly refused: readonly ResourceActions[];
}

export interface IssuedToken {
  readonly token: string;
  readonly issuedAt: Date;
  readonly lifetimeSeconds: number;
}

export interface TokenSettings {
  /** The audience: whose tokens these are. */
  readonly service: string;
  /** How long a token lives that is issued now. */
  lifetimeSeconds(): Promise<number>;
}

/** Signs a token (distribution's token specification; RFC 7519). */
export const tokenIssuer =
  (keys: KeyRing, { service, lifetimeSeconds: lifetimeNow }: TokenSettings) =>
  async ({ subject, access, refused }: TokenContent): Promise<IssuedToken> => {
    const lifetimeSeconds = await lifetimeNow();
    const { kid, key } = await keys.signing();
    const now = Math.floor(Date.now() / 1000);
    const token = await new SignJWT({ access, refused, subject })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid })
      .setIssuer(issuer)
      .setSubject(subject?.name ?? '')
      .setAudience(service)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifetimeSeconds)
      .setJti(randomUUID())
      .sign(key);
    return { token, issuedAt: new Date(now * 1000), lifetimeSeconds };
  };

interface Remembered {
  readonly kid: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  readonly content: TokenContent;
}

/** What a token says; undefined for one that is not valid here and now. */
export type VerifyToken = (token: string) => Promise<TokenContent | undefined>;

/**
 * The key is chosen by its name among our own and fixes the algorithm; whatever else a header says of keys (`jwk`,
 * `jku`, `x5u`, `x5c`) counts for nothing. A token that was verified is remembered until it expires or its key is
 * withdrawn.
 */
export function tokenVerifier(keys: KeyRing, { service }: Pick<TokenSettings, 'service'>): VerifyToken {
  const remembered = new LRUCache<string, Remembered>({
    max: maxRemembered,
    maxSize: rememberedLength,
  });

  async function verify(token: string): Promise<Remembered | undefined> {
    let kid = '';
    const findKey = async (header: { kid?: unknown }) => {
      kid = typeof header.kid === 'string' ? header.kid : '';
      const key = await keys.verifying(kid);
      if (key === undefined) throw new errors.JWKSNoMatchingKey();
      return key;
    };
    try {
      const { payload } = await jwtVerify(token, findKey, {
        algorithms: ['ES256'],
        issuer,
        audience: service,
        clockTolerance: leewaySeconds,
        requiredClaims: ['sub', 'iat', 'nbf', 'exp', 'jti'],
      });
      const { data } = claims.safeParse(payload);
      if (data === undefined || data.iat > Date.now() / 1000 + leewaySeconds) return undefined;
      return { kid, expiresAt: data.exp, content: data };
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  return async (token) => {
    if (token.length > maxTokenLength || !isInThreeParts(token)) return undefined;
    const key = hash('sha256', token, 'base64');
    const known = remembered.get(key);
    if (known === undefined) {
      const verified = await verify(token);
      if (verified !== undefined) remembered.set(key, verified, { size: token.length });
      return verified?.content;
    }
    const isOver = known.expiresAt + leewaySeconds <= Date.now() / 1000;
    if (!isOver && (await keys.verifying(known.kid)) !== undefined) return known.content;
    remembered.delete(key);
    return undefined;
  };
}

/** Without splitting, which would make an array of as many parts as a stranger likes. */
function isInThreeParts(token: string): boolean {
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  return first !== -1 && second !== -1 && !token.includes('.', second + 1);
}
