import type { FastifyRequest } from 'fastify';
import type { Principal } from '../../domain/access/principal.ts';
import { isAccessToken, type LoginByAccessToken } from './access-token.ts';
import { readAuthorization } from './basic.ts';
import type { Challenge } from './challenge.ts';
import type { NoteUse } from './credential-uses.ts';
import type { LoggedIn, Login } from './login.ts';
import { metadataOf } from './origin.ts';
import type { FindSubject } from './subject.ts';
import type { TokenContent, VerifyToken } from './tokens.ts';

/** Who a request comes from, and by what. */
export interface Caller {
  readonly principal: Principal;
  /** Undefined for who came with a password, an access token or with nothing. */
  readonly token?: TokenContent;
  /** Who that is by now; undefined once the account is gone or disabled, or has another password. */
  again(): Promise<Principal | undefined>;
}

export const anonymous: Principal = { kind: 'anonymous' };

export interface AuthenticationPorts {
  readonly login: Login;
  readonly loginByAccessToken: LoginByAccessToken;
  readonly noteUse: NoteUse;
  readonly verifyToken: VerifyToken;
  readonly findSubject: FindSubject;
  readonly challenge: Challenge;
}

/**
 * @param scope what the request needs, for the challenge.
 * @throws RequestRefused 401 for credentials that are malformed or wrong, 429 for too many wrong ones.
 */
export type Authenticate = (request: FastifyRequest, scope?: string) => Promise<Caller>;

export function authenticator({
  login,
  loginByAccessToken,
  noteUse,
  verifyToken,
  findSubject,
  challenge,
}: AuthenticationPorts): Authenticate {
  /** Undefined where the account has changed since the token was issued. */
  async function bearerOf(
    { subject }: TokenContent,
    request: FastifyRequest,
  ): Promise<Principal | undefined> {
    if (subject === null) return anonymous;
    const found = await findSubject(subject);
    if (found !== undefined) noteUse(found, () => metadataOf(request, found.principal));
    return found?.principal;
  }

  const callerOf = ({ principal, subject }: LoggedIn): Caller => ({
    principal,
    again: async () => (await findSubject(subject))?.principal,
  });

  return async (request, scope) => {
    const authorization = readAuthorization(request);
    switch (authorization.scheme) {
      case 'none':
        return { principal: anonymous, again: async () => anonymous };
      case 'malformed':
        throw challenge(request, { message: authorization.fault, scope });
      case 'basic': {
        const loggedIn = await login(authorization.credentials, metadataOf(request, anonymous));
        if (loggedIn !== undefined) return callerOf(loggedIn);
        throw challenge(request, { message: 'wrong user name or password', scope });
      }
      case 'bearer': {
        const { token: shown } = authorization;
        if (isAccessToken(shown)) {
          const loggedIn = await loginByAccessToken({ token: shown }, metadataOf(request, anonymous));
          if (loggedIn !== undefined) return callerOf(loggedIn);
        }
        const token = await verifyToken(shown);
        const principal = token && (await bearerOf(token, request));
        if (token !== undefined && principal !== undefined)
          return { principal, token, again: () => bearerOf(token, request) };
        throw challenge(request, { message: 'the token is not valid', scope, error: 'invalid_token' });
      }
    }
  };
}
