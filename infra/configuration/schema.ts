import { z } from 'zod';
import { checkTogether } from './rules.ts';
import type { RunTime } from './run-time.ts';
import { access } from './sections/access.ts';
import { audit } from './sections/audit.ts';
import { cache } from './sections/cache.ts';
import { databases } from './sections/databases.ts';
import { eventLog } from './sections/event-log.ts';
import { events } from './sections/events.ts';
import { garbageCollection } from './sections/garbage-collection.ts';
import { harborOnly } from './sections/harbor-only.ts';
import { jobs } from './sections/jobs.ts';
import { observability } from './sections/observability.ts';
import { redis } from './sections/redis.ts';
import { server } from './sections/server.ts';
import { storage } from './sections/storage.ts';
import { uploads } from './sections/uploads.ts';
import { webhooks } from './sections/webhooks.ts';

const keys = z.strictObject(
  {
    ...server,
    ...access,
    ...databases,
    ...eventLog,
    ...events,
    ...cache,
    ...storage,
    ...uploads,
    ...redis,
    ...garbageCollection,
    ...jobs,
    ...observability,
    ...webhooks,
    ...audit,
    ...harborOnly,
  },
  { error: 'keys and their values' },
);
export type Keys = z.output<typeof keys>;

/**
 * Everything that can be configured: the keys of harbor.yml under Harbor's names, and Shiplog's own beside them.
 * Secrets are strings that the loader has resolved already.
 */
export const configurationSchema = keys
  // The rules between keys run beside the faults of single keys, so that all are reported at once.
  .superRefine((value, context) => checkTogether(value, context.addIssue), { when: () => true })
  .transform(({ data, data_volume, ...rest }) => ({ ...rest, data: data ?? data_volume ?? './data' }));

export type Configuration = z.output<typeof configurationSchema> & {
  /** The keys that were set and that nothing reads, in the order of the schema; a whole section by its name. */
  readonly unused: readonly string[];
  /** What the environment says of what can be changed while the system runs. */
  readonly runTime: RunTime;
};
