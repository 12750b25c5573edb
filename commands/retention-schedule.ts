import { type Schedule, type ScheduleCommand, scheduleDecider } from '../domain/schedule/decider.ts';
import { type ScheduleEvent, scheduleStream } from '../domain/schedule/events.ts';
import { type Decision, decision } from './record.ts';

const kind = 'RETENTION';

/** What the clock does for a policy: it runs as `cron` says, or not by itself where that is empty. */
export function schedulingRetention(
  policyId: number,
  cron: string,
  scheduleId: number,
  since: Date,
): Decision<Schedule | null, ScheduleEvent> {
  const set = { do: 'set', scheduleId, kind, vendorId: policyId, type: 'Custom', cron } as const;
  const command: ScheduleCommand =
    cron === '' ? { do: 'remove' } : { ...set, parameters: { dryRun: false }, since: since.toISOString() };
  return decision(scheduleStream(kind, policyId), scheduleDecider, command, 'last');
}
