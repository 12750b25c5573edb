import { z } from 'zod';
import { eventOf } from '../event-schema.ts';
import type { auditTypes } from './types.ts';

/** One stream a day: nothing is decided on it, and nobody can fill a stream of his own choice. */
export const refusedChangesStream = (at: Date): string => `refused-changes/${at.toISOString().slice(0, 10)}`;
/** @param run a UUID */
export const auditPurgeStream = (run: string): string => `audit-purge/${run}`;

export const auditSettingsStream = 'audit-settings';

/** What requests that failed were about to do, of those that Harbor's audit log tells of. */
export const refusableTypes = [
  'create_user',
  'update_user',
  'delete_user',
  'create_member',
  'update_member',
  'delete_member',
  'update_project',
  'update_configuration',
] as const satisfies readonly (typeof auditTypes)[number][];
export type RefusableType = (typeof refusableTypes)[number];

export const refusedChangeEvent = z.discriminatedUnion('type', [
  eventOf(
    'ChangeRefused',
    'Somebody who has logged in has tried to change something, and has not; recorded in the background.',
    {
      change: z.enum(refusableTypes).describe('What it would have been, by the types of the audit log'),
      resource: z
        .string()
        .describe('The name of what it would have changed, as far as that could be found out; empty else'),
      entityType: z.enum(['user', 'group']).optional().describe('Of a member: which of the two it is'),
      project: z.string().optional().describe('The name of the project, for what is of one'),
      projectId: z
        .int()
        .positive()
        .optional()
        .describe('The number of the project, where there is such a one'),
      status: z.int().min(400).max(599).describe('The status of the answer'),
    },
  ),
]);
export type RefusedChangeEvent = z.infer<typeof refusedChangeEvent>;
export type RefusedChange = RefusedChangeEvent['data'];

export const auditPurgeEvent = z.discriminatedUnion('type', [
  eventOf(
    'AuditLogPurged',
    'Rows have gone from the audit log; the events that they told of stay where they are.',
    {
      type: z.string().describe('Rows of this type, of Harbor’s or of our own'),
      others: z.array(z.string()).describe('And of these types'),
      from: z.iso.datetime().nullable().describe('Rows from this time on, null for the beginning'),
      until: z.iso.datetime().describe('Rows before this time'),
    },
  ),
]);
export type AuditPurgeEvent = z.infer<typeof auditPurgeEvent>;

/** Version 1 was for one type. */
export const auditLogPurgedUpcasters = [(data: Record<string, unknown>) => ({ ...data, others: [] })];

export const auditSettingsEvent = z.discriminatedUnion('type', [
  eventOf(
    'AuditSettingsPinned',
    'The deployment says, from the start of a process on, what some settings of the audit log are, whatever is set.',
    {
      items: z
        .object({
          disabled_audit_log_event_types: z.string().optional(),
          pull_audit_log_disable: z.boolean().optional(),
          skip_audit_log_database: z.boolean().optional(),
        })
        .describe('Those that it says, by their names; the others are as they are set'),
    },
  ),
]);
export type AuditSettingsEvent = z.infer<typeof auditSettingsEvent>;
