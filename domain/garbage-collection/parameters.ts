import { z } from 'zod';

const hours = z.number().min(0).max(1_000_000);

/** What the work of the kind GARBAGE_COLLECTION is asked for, by Harbor's names and some beyond them. */
export const garbageParameters = z.object({
  delete_untagged: z.boolean().optional().describe('Whether manifests go that nothing keeps'),
  delete_tag: z
    .boolean()
    .optional()
    .describe('Accepted, and without effect: no tag outlives what it points at'),
  dry_run: z.boolean().optional().describe('Whether it is only said what would go'),
  workers: z.int().min(1).max(10).optional().describe('How much is done at once, 1 to 10'),
  grace_hours: hours.optional().describe('Instead of what is configured, as the two that follow'),
  untagged_grace_hours: hours.optional(),
  delay_hours: hours.optional(),
});
export type GarbageParameters = z.infer<typeof garbageParameters>;

/** What the work of the kind GC_WHAT_IF is asked for. */
export const whatIfParameters = garbageParameters
  .pick({ delete_untagged: true, grace_hours: true, untagged_grace_hours: true })
  .extend({
    limit: z.int().min(1).max(10_000).optional().describe('How many rows are kept, 1,000 if not said'),
  });
export type WhatIfParameters = z.infer<typeof whatIfParameters>;

/** What the work of the kind SCRUB is asked for. */
export const scrubParameters = z.object({
  rate: z.number().positive().max(100_000).optional().describe('MiB a second at most, 50 if not said'),
});
export type ScrubParameters = z.infer<typeof scrubParameters>;
