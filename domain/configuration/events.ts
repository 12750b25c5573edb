import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** One stream for all items: what hangs together is decided together. */
export const configurationStream = 'system/configuration';

export const configurationEvent = z.discriminatedUnion('type', [
  eventOf('ConfigurationChanged', 'Settings of the system are others from now on.', {
    items: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .describe('The new values of those that have changed, by the name of the item'),
    sealed: z
      .record(z.string(), z.string())
      .describe('The same of secrets, each encrypted under the secret key of the installation'),
  }),
]);
export type ConfigurationEvent = z.infer<typeof configurationEvent>;
