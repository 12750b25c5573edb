import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const scheduleStream = (kind: string, vendorId: number): string => `schedule/${kind}/${vendorId}`;

/** In every event, so that the last one says all there is to know of the schedule, however often it has fired. */
const settings = {
  scheduleId: z.int().positive().describe('The number that the management API shows'),
  kind: z.string().describe('The kind of work that it starts, such as RETENTION'),
  vendorId: z
    .int()
    .min(-1)
    .describe('The number of the policy or the like that the work is done for, -1 for the whole system'),
  type: z.string().describe('Hourly, Daily, Weekly or Custom, as it was asked for'),
  cron: z
    .string()
    .describe('When it is due, in UTC: second, minute, hour, day of the month, month, day of the week'),
  parameters: z.record(z.string(), z.unknown()).describe('What is to be done, by the names of its kind'),
  since: z.iso.datetime().describe('What was due before does not count'),
};
const dueAt = z.iso
  .datetime()
  .describe('The time that it was due at; times before that were missed and do not count');

export const scheduleEvent = z.discriminatedUnion('type', [
  eventOf('ScheduleSet', 'Work is started by the clock from now on, or otherwise than before.', settings),
  eventOf('ScheduleFired', 'The schedule was due and has started an execution.', {
    ...settings,
    dueAt,
    executionId: z.int().positive().describe('The number of the execution'),
    taskId: z.int().positive().describe('The number of its first task'),
    jobId: z.string().describe('The id of that in the queue; a UUID'),
  }),
  eventOf('ScheduleSkipped', 'The schedule was due while what it started before was still running.', {
    ...settings,
    dueAt,
    executionId: z.int().positive().describe('The number of the execution that was running'),
  }),
  eventOf('ScheduleRemoved', 'The clock does not start this work any more.', {
    scheduleId: settings.scheduleId,
    kind: settings.kind,
    vendorId: settings.vendorId,
  }),
]);
export type ScheduleEvent = z.infer<typeof scheduleEvent>;
