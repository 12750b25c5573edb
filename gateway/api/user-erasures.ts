import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { eraseUser, findErasure } from '../../commands/erase-user.ts';
import { userOf } from '../../domain/access/principal.ts';
import { pseudonymOf } from '../../domain/user/pseudonym.ts';
import type { Access } from './access.ts';
import { begins, shows, time } from './answer-forms.ts';
import { forbidden, notFound } from './faults.ts';
import { operation } from './operation.ts';
import type { ApiPorts, Command } from './ports.ts';

export interface ErasurePorts {
  readonly erase: Command<typeof eraseUser>;
  readonly find: ReturnType<typeof findErasure>;
  /** The position in the log up to which those who were erased are in no view any more. */
  doneUpTo(): Promise<bigint>;
  /** Whether whoever is deleted is erased. */
  readonly atDeletion: boolean;
}

/** The user whom no one deletes: with him an installation would lose its last way in. */
export const firstUser = 1;

const erasure = z
  .object({
    user_id: z.int(),
    pseudonym: z.string().describe('What is shown in the place of the name'),
    status: z
      .enum(['Running', 'Success'])
      .describe('`Running` while there is a view that shows the name; no log does'),
    erased_at: time,
  })
  .meta({ id: 'UserErasure' });

/** Our own operations: the name of a user is destroyed, wherever it is. */
export function userErasureRoutes(
  api: FastifyInstance,
  { erasures, queries, reached, sessions }: Pick<ApiPorts, 'erasures' | 'queries' | 'reached' | 'sessions'>,
  access: Access,
): void {
  async function shown(userId: number) {
    const found = await erasures.find(userId);
    if (found === undefined) throw notFound(`user ${userId} was not erased`);
    const isDone = (await erasures.doneUpTo()) >= found.position;
    return {
      user_id: userId,
      pseudonym: pseudonymOf(userId),
      status: isDone ? ('Success' as const) : ('Running' as const),
      erased_at: found.at,
    };
  }

  operation(
    api,
    {
      id: 'eraseUser',
      tag: 'user',
      method: 'POST',
      path: '/users/:user_id/erasure',
      summary:
        'Deletes a user, if that is still to be done, and has a word with the number shown in the place of the name, for ever and everywhere.',
      answer: begins(erasure),
    },
    async ({ request, path: { user_id: userId } }) => {
      const { principal, metadata } = await access.inSystem(request, 'user:delete');
      if (userId === firstUser || userOf(principal)?.userId === userId)
        throw forbidden(`User with ID ${userId} cannot be erased`);
      await reached(await erasures.erase({ userId, user: await queries.findUser(userId) }, metadata));
      await sessions.forgetAllOf(userId);
      const [location = ''] = request.url.split('?', 1);
      return { id: userId, location, body: await shown(userId) };
    },
  );

  operation(
    api,
    {
      id: 'getUserErasure',
      tag: 'user',
      method: 'GET',
      path: '/users/:user_id/erasure',
      summary: 'How far the erasure of a user is.',
      answer: shows(erasure),
    },
    async ({ request, path: { user_id: userId } }) => {
      await access.inSystem(request, 'user:delete');
      return shown(userId);
    },
  );
}
