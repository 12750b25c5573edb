import type { FastifyInstance } from 'fastify';
import type { Access } from './access.ts';

/** Harbor's `ping` and `systeminfo` operations. */
export function systemRoutes(api: FastifyInstance, access: Access): void {
  api.get('/ping', async (_request, reply) => reply.type('text/plain; charset=utf-8').send('Pong'));

  api.get('/systeminfo', async (request) => {
    const { principal } = await access.anyone(request);
    const forAnybody = {
      auth_mode: 'db_auth',
      primary_auth_mode: false,
      self_registration: false,
      banner_message: '',
    };
    if (principal.kind === 'anonymous') return forAnybody;
    return {
      ...forAnybody,
      has_ca_root: false,
      project_creation_restriction: 'everyone',
      read_only: false,
      notification_enable: false,
      current_time: new Date(),
    };
  });
}
