import type { FastifyInstance } from 'fastify';
import type { createAccessToken } from '../../commands/create-access-token.ts';
import type { revokeAccessToken } from '../../commands/revoke-access-token.ts';
import { authorize } from '../../domain/access/authorize.ts';
import { accessTokenOf, type TokenPermission, userOf } from '../../domain/access/principal.ts';
import { isName } from '../../domain/project/name.ts';
import type { findListedAccessToken, listAccessTokens } from '../../projections/access-tokens/queries.ts';
import type { ListedUser } from '../../projections/users/queries.ts';
import type { Access, Asker } from './access.ts';
import {
  accessTokenAnswer,
  accessTokenForm,
  createdAccessToken,
  expiryIn,
  readTokenName,
  shownAccessToken,
} from './access-token-form.ts';
import { createsAndShows, lists, nothing, shows } from './answer-forms.ts';
import { forbidden, notFound, preconditionFailed } from './faults.ts';
import { operation } from './operation.ts';
import type { ApiPorts, Command, Query } from './ports.ts';
import { everyProject, readDescription, readPermissions } from './robot-form.ts';

export interface AccessTokenPorts {
  readonly list: Query<typeof listAccessTokens>;
  readonly find: Query<typeof findListedAccessToken>;
  readonly create: Command<typeof createAccessToken>;
  readonly revoke: Command<typeof revokeAccessToken>;
  /** Resolves when the list of access tokens shows the position. */
  reached(position: bigint): Promise<void>;
}

/** Access tokens of users: beyond Harbor, which has one secret a user and only for users of an OIDC provider. */
export function accessTokenRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { accessTokens, queries, lastUsesOf } = ports;
  const tag = 'user';

  /** The user of the path, for himself or for who administers users. */
  async function userFor(asker: Asker, which: number | 'current'): Promise<ListedUser> {
    const { principal } = asker;
    const self = userOf(principal);
    if (which === 'current' && self === undefined)
      throw preconditionFailed(`there is no current user for security context: ${principal.kind}`);
    const userId = which === 'current' ? (self?.userId ?? 0) : which;
    // A limited token reads no others, though its user owns them.
    const isHimself = principal.kind === 'user' && principal.userId === userId;
    if (!isHimself && !authorize(principal, 'user:update', { kind: 'system' })) throw forbidden();
    const user = await queries.findUser(userId);
    if (user === undefined) throw notFound(`user ${userId} not found`);
    return user;
  }

  async function shown(tokens: Awaited<ReturnType<AccessTokenPorts['list']>>['rows']) {
    const uses = await lastUsesOf(
      'access-token',
      tokens.map(({ tokenId }) => tokenId),
    );
    return tokens.map((token) => shownAccessToken(token, uses.get(token.tokenId)));
  }

  async function existing(userId: number, tokenId: number) {
    const found = await accessTokens.find(userId, tokenId);
    const [token] = found === undefined ? [] : await shown([found]);
    if (token === undefined) throw notFound(`access token ${tokenId} not found`);
    return token;
  }

  operation(
    api,
    {
      id: 'listAccessTokens',
      tag,
      method: 'GET',
      path: '/users/:user_id_or_current/tokens',
      summary: 'The access tokens of a user.',
      answer: lists(accessTokenAnswer),
    },
    async ({ request, path, listing }) => {
      const { userId } = await userFor(await access.known(request), path.user_id_or_current);
      const { rows, total } = await accessTokens.list(userId, listing);
      return { rows: await shown(rows), total };
    },
  );

  operation(
    api,
    {
      id: 'createAccessToken',
      tag,
      method: 'POST',
      path: '/users/:user_id_or_current/tokens',
      summary: 'Makes an access token for the user who asks, and shows it, this once.',
      body: accessTokenForm,
      answer: createsAndShows(createdAccessToken),
    },
    async ({ request, path, body }) => {
      await creatorFor(await access.known(request), path.user_id_or_current);
      const form = await body();
      const asker = await access.stillKnown(request);
      const { userId, username } = await creatorFor(asker, path.user_id_or_current);
      const { tokenId, token, position } = await accessTokens.create(
        {
          userId,
          username,
          name: readTokenName(form),
          description: readDescription(form),
          durationDays: expiryIn(form),
          permissions:
            form.permissions === null || form.permissions === undefined
              ? null
              : await limitsIn(asker, { permissions: form.permissions }),
        },
        asker.metadata,
      );
      await accessTokens.reached(position);
      return { id: tokenId, body: { ...(await existing(userId, tokenId)), token } };
    },
  );

  /** Nobody makes a token that speaks for another, and no token makes tokens, which would outlive it. */
  async function creatorFor(asker: Asker, which: number | 'current'): Promise<ListedUser> {
    const { principal } = asker;
    if (accessTokenOf(principal) !== undefined) throw forbidden('an access token makes no access tokens');
    const user = await userFor(asker, which);
    if (principal.kind !== 'user' || principal.userId !== user.userId)
      throw forbidden('nobody makes access tokens for another user');
    return user;
  }

  /** @throws RequestRefused 400, and 404 for a project that is not there or that the user does not see */
  async function limitsIn(
    { principal }: Asker,
    form: Parameters<typeof readPermissions>[0],
  ): Promise<TokenPermission[]> {
    const limits: TokenPermission[] = [];
    for (const { scope, access: permissions } of readPermissions(form)) {
      if (scope.kind === 'system') limits.push({ scope, access: permissions });
      else if (scope.project === everyProject)
        limits.push({ scope: { kind: 'projects' }, access: permissions });
      else limits.push({ scope: await projectSeen(scope.project), access: permissions });
    }
    return limits;

    async function projectSeen(name: string) {
      const project = isName(name) ? await queries.findProject(name) : undefined;
      const roles = project === undefined ? [] : await ports.rolesOf(principal, project.projectId);
      if (project === undefined || !authorize(principal, 'project:read', { kind: 'project', project, roles }))
        throw notFound(`project ${name} not found`);
      return { kind: 'project', project: name, projectId: project.projectId } as const;
    }
  }

  operation(
    api,
    {
      id: 'getAccessToken',
      tag,
      method: 'GET',
      path: '/users/:user_id_or_current/tokens/:token_id',
      summary: 'An access token.',
      answer: shows(accessTokenAnswer),
    },
    async ({ request, path }) => {
      const { userId } = await userFor(await access.known(request), path.user_id_or_current);
      return existing(userId, path.token_id);
    },
  );

  operation(
    api,
    {
      id: 'revokeAccessToken',
      tag,
      method: 'DELETE',
      path: '/users/:user_id_or_current/tokens/:token_id',
      summary: 'Revokes an access token, and with it all that was got by it.',
      answer: nothing,
    },
    async ({ request, path: { user_id_or_current: which, token_id: tokenId } }) => {
      const asker = await access.known(request);
      const userId = await ownerOf(asker, which, tokenId);
      await accessTokens.reached(await accessTokens.revoke({ userId, tokenId }, asker.metadata));
    },
  );

  /** Whoever has found a token can make it void; other tokens are not a token's to revoke. */
  async function ownerOf(asker: Asker, which: number | 'current', tokenId: number): Promise<number> {
    const { principal } = asker;
    const own = accessTokenOf(principal);
    if (own === undefined) return (await userFor(asker, which)).userId;
    const { userId } = userOf(principal) ?? { userId: 0 };
    if (own !== tokenId || (which !== 'current' && which !== userId))
      throw forbidden('an access token revokes none but itself');
    return userId;
  }
}
