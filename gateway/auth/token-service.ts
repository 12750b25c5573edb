import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../../domain/access/principal.ts';
import { RequestRefused } from '../errors.ts';
import type { Limit } from '../rate-limit.ts';
import { anonymous } from './authenticate.ts';
import { type Credentials, readAuthorization } from './basic.ts';
import { tokenPath } from './challenge.ts';
import { readForm } from './form.ts';
import type { LoggedIn, Login } from './login.ts';
import { metadataOf } from './origin.ts';
import { grant, type PermissionPorts } from './permissions.ts';
import type { Refresh } from './refresh.ts';
import { readScopes, writeScopes } from './scopes.ts';
import type { Sessions } from './sessions.ts';
import type { IssuedToken, TokenContent, TokenSettings } from './tokens.ts';

export interface TokenServicePorts extends PermissionPorts {
  readonly login: Login;
  readonly refresh: Refresh;
  readonly sessions: Pick<Sessions, 'identify'>;
  readonly limit: Limit;
  readonly tokens: Pick<TokenSettings, 'service'>;
  issueToken(content: TokenContent): Promise<IssuedToken>;
}

/** RFC 6749, section 5.2. */
type OAuthError = 'invalid_request' | 'invalid_grant' | 'unsupported_grant_type';

/**
 * The token service of the registry (distribution's token specification, by GET; its OAuth2 variant, by POST). A
 * token is never refused for what it asks: it is good for what the caller may, and be it nothing.
 */
export function tokenServiceRoutes(app: FastifyInstance, ports: TokenServicePorts): void {
  const { login, refresh, sessions, limit, tokens, issueToken } = ports;

  /** @throws RequestRefused 401 */
  async function requireLogin(request: FastifyRequest, credentials: Credentials): Promise<LoggedIn> {
    const loggedIn = await login(credentials, metadataOf(request, anonymous));
    if (loggedIn === undefined) throw unauthorized(wrongPassword);
    return loggedIn;
  }

  async function answer(
    request: FastifyRequest,
    loggedIn: LoggedIn | undefined,
    scopes: readonly string[],
    refreshTokenOf: (loggedIn: LoggedIn) => Promise<string | undefined>,
  ) {
    const principal: Principal = loggedIn?.principal ?? anonymous;
    // Before anything is recorded for it.
    await limit(principal, request.ip);
    const { access, refused } = await grant(ports, principal, readScopes(scopes));
    const refreshToken = loggedIn && (await refreshTokenOf(loggedIn));
    const { token, issuedAt, lifetimeSeconds } = await issueToken({
      subject: loggedIn?.subject ?? null,
      access,
      refused,
    });
    return {
      scope: writeScopes(access),
      body: {
        token,
        access_token: token,
        expires_in: lifetimeSeconds,
        issued_at: issuedAt.toISOString().replace('.000', ''),
        ...(refreshToken !== undefined && { refresh_token: refreshToken }),
      },
    };
  }

  const newRefreshToken =
    (request: FastifyRequest, isWanted: boolean) =>
    async (loggedIn: LoggedIn): Promise<string | undefined> =>
      isWanted ? refresh.issue(loggedIn, metadataOf(request, loggedIn.principal)) : undefined;

  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ 'cache-control': 'no-store', pragma: 'no-cache' });
  });

  app.get(tokenPath, async (request) => {
    const query = new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
    requireService(query, tokens);
    const authorization = readAuthorization(request);
    if (authorization.scheme === 'malformed') throw unauthorized(authorization.fault);
    if (authorization.scheme === 'bearer')
      throw unauthorized('the token service takes a user name and a password');
    const loggedIn =
      authorization.scheme === 'basic'
        ? await requireLogin(request, authorization.credentials)
        : await sessions.identify(request);
    // A session is not made longer than it is: who has taken one would keep what it led to.
    const isWanted = authorization.scheme === 'basic' && query.get('offline_token') === 'true';
    const refreshToken = newRefreshToken(request, isWanted);
    return (await answer(request, loggedIn, query.getAll('scope'), refreshToken)).body;
  });

  app.post(tokenPath, async (request, reply) => {
    const form = await readForm(request);
    if (form.get('service') !== tokens.service)
      return refuse(reply, 'invalid_request', `the service is ${tokens.service}`);
    const grantType = form.get('grant_type');
    switch (grantType) {
      case 'password': {
        const [username, password] = [form.get('username'), form.get('password')];
        if (username === null || password === null)
          return refuse(reply, 'invalid_request', 'username and password are missing');
        const loggedIn = await login({ username, password }, metadataOf(request, anonymous));
        if (loggedIn === undefined) return refuse(reply, 'invalid_grant', wrongPassword, 401);
        const refreshToken = newRefreshToken(request, form.get('access_type') === 'offline');
        const { body, scope } = await answer(request, loggedIn, form.getAll('scope'), refreshToken);
        return { ...body, scope };
      }
      case 'refresh_token': {
        const refreshToken = form.get('refresh_token') ?? '';
        const loggedIn = await refresh.use(refreshToken);
        if (loggedIn === undefined)
          return refuse(reply, 'invalid_grant', 'the refresh token is not valid any more');
        const sameAgain = async () => refreshToken;
        const { body, scope } = await answer(request, loggedIn, form.getAll('scope'), sameAgain);
        return { ...body, scope };
      }
      default:
        return refuse(reply, 'unsupported_grant_type', 'the grant type is password or refresh_token');
    }
  });

  // RFC 7009. Whoever has the token may revoke it; what is unknown is as good as revoked.
  app.post(`${tokenPath}/revoke`, async (request) => {
    const form = await readForm(request);
    await refresh.revoke(form.get('token') ?? '', metadataOf(request, anonymous));
    return {};
  });
}

/** @throws RequestRefused 400 */
function requireService(query: URLSearchParams, { service }: Pick<TokenSettings, 'service'>): void {
  if (query.get('service') === service) return;
  throw new RequestRefused({ status: 400, code: 'UNSUPPORTED', message: `the service is ${service}` });
}

const wrongPassword = 'wrong user name or password';
const basicChallenge = 'Basic realm="shiplog", charset="UTF-8"';

const unauthorized = (message: string): RequestRefused =>
  new RequestRefused({
    status: 401,
    code: 'UNAUTHORIZED',
    message,
    headers: { 'www-authenticate': basicChallenge },
  });

/**
 * In the form of OAuth2 and in that of registries at once, since clients show one or the other. A wrong password is 401
 * as by GET, which OAuth2 leaves open: clients take that for what it is.
 */
function refuse(reply: FastifyReply, error: OAuthError, description: string, status: 400 | 401 = 400) {
  if (status === 401) reply.header('www-authenticate', basicChallenge);
  return reply.code(status).send({
    error,
    error_description: description,
    errors: [{ code: error === 'invalid_grant' ? 'UNAUTHORIZED' : 'UNSUPPORTED', message: description }],
  });
}
