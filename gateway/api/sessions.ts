import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { accessTokenOf } from '../../domain/access/principal.ts';
import type { ConfirmPassword } from '../auth/confirm-password.ts';
import type { OwnSessions, Sessions } from '../auth/sessions.ts';
import type { Access } from './access.ts';
import { nothing, shows, time } from './answer-forms.ts';
import { forbidden, notFound, preconditionFailed } from './faults.ts';
import { operation } from './operation.ts';

export interface SessionPorts {
  readonly sessions: Sessions;
  readonly confirmPassword: ConfirmPassword;
}

const session = z
  .object({
    id: z.string().describe('Names the session; who has it cannot use the session'),
    current: z.boolean().describe('Whether the request came with it'),
    creation_time: time,
    last_use_time: time.describe('It may have been used up to a minute later'),
    expiration_time: time.describe('When it ends unless it is used before'),
    address: z.string().describe('Where it was last used from'),
    user_agent: z.string().describe('By which browser'),
  })
  .meta({ id: 'UserSession' });

/** The browser sessions of the user who asks. Harbor has no such operations. */
export function sessionRoutes(
  api: FastifyInstance,
  { sessions }: Pick<SessionPorts, 'sessions'>,
  access: Access,
): void {
  async function userOf(request: FastifyRequest): Promise<OwnSessions> {
    const { principal, metadata } = await access.known(request);
    // Who has found one must neither see where its user sits nor log him out.
    if (accessTokenOf(principal) !== undefined) throw forbidden('an access token has no sessions');
    if (principal.kind !== 'user')
      throw preconditionFailed(`sessions not available for security context: ${principal.kind}`);
    return { userId: principal.userId, username: principal.username, metadata };
  }

  operation(
    api,
    {
      id: 'listUserSessions',
      tag: 'user',
      method: 'GET',
      path: '/users/current/sessions',
      summary: 'The open browser sessions of the user who asks, the newest first.',
      answer: shows(z.array(session)),
    },
    async ({ request }) => {
      const { userId } = await userOf(request);
      const open = await sessions.listOf(request, userId);
      return open.map((shown) => ({
        id: shown.id,
        current: shown.current,
        creation_time: shown.createdAt,
        last_use_time: shown.lastUsedAt,
        expiration_time: shown.expiresAt,
        address: shown.address,
        user_agent: shown.userAgent,
      }));
    },
  );

  operation(
    api,
    {
      id: 'endUserSessions',
      tag: 'user',
      method: 'DELETE',
      path: '/users/current/sessions',
      summary: 'Ends all browser sessions of the user who asks, also the one that he asks with.',
      answer: nothing,
    },
    async ({ request, reply }) => sessions.endAll(request, reply, await userOf(request)),
  );

  operation(
    api,
    {
      id: 'endUserSession',
      tag: 'user',
      method: 'DELETE',
      path: '/users/current/sessions/:session_id',
      summary: 'Ends one browser session of the user who asks.',
      answer: nothing,
    },
    async ({ request, reply, path: { session_id: id } }) => {
      if (!(await sessions.end(request, reply, await userOf(request), id)))
        throw notFound(`session ${id} not found`);
    },
  );
}
