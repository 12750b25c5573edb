import { z } from 'zod';

/** As many hours as Harbor takes, which are some 27 years. */
const maxRetentionHours = 240_000;

/** What the work of the kind PURGE_AUDIT_LOG is asked for, by Harbor's names. */
export const purgeParameters = z.object({
  audit_retention_hour: z.int().min(0).max(maxRetentionHours).describe('Rows that are older go'),
  include_event_types: z
    .string()
    .max(2000)
    .describe('Types of events, or operations of the audit log, separated by commas; none, for none'),
  dry_run: z.boolean().optional().describe('Whether it is only said how many would go'),
});
export type PurgeParameters = z.infer<typeof purgeParameters>;
