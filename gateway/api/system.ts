import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Access } from './access.ts';
import { says, shows, time } from './answer-forms.ts';
import { operation } from './operation.ts';

/** Harbor's `GeneralInfo`. */
const generalInfo = z
  .object({
    auth_mode: z.string(),
    primary_auth_mode: z.boolean(),
    self_registration: z.boolean(),
    banner_message: z.string(),
    has_ca_root: z.boolean().optional(),
    project_creation_restriction: z.string().optional(),
    read_only: z.boolean().optional(),
    notification_enable: z.boolean().optional(),
    current_time: time.optional(),
  })
  .meta({ id: 'GeneralInfo' });

/** Harbor's `ping` and `systeminfo` operations. */
export function systemRoutes(api: FastifyInstance, access: Access): void {
  operation(
    api,
    {
      id: 'getPing',
      tag: 'ping',
      method: 'GET',
      path: '/ping',
      summary: 'Whether anybody is there.',
      answer: says(),
    },
    async () => 'Pong',
  );

  operation(
    api,
    {
      id: 'getSystemInfo',
      tag: 'systeminfo',
      method: 'GET',
      path: '/systeminfo',
      summary: 'What this registry is, and more of it for who has logged in.',
      answer: shows(generalInfo),
    },
    async ({ request }) => {
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
    },
  );
}
