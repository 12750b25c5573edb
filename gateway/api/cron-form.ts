import { dueTime, nextTime, parseCron } from '../../domain/schedule/cron.ts';
import { badRequest } from './faults.ts';

/** The types of schedules that the clock starts, with the cron that clients send for them. */
export const cronTypes: ReadonlySet<string> = new Set(['Hourly', 'Daily', 'Weekly', 'Custom']);

/**
 * The cron of a schedule as it was sent: six fields in UTC, of which the first is 0, so that nothing begins more than
 * once a minute. @throws RequestRefused 400 for anything else, and for what is never due, such as 30 February
 */
export function readCron(cron: string): string {
  const [seconds] = cron.trim().split(/\s+/, 1);
  if (cron.trim() === '') throw badRequest('cron string is empty');
  if (parseCron(cron) === undefined)
    throw badRequest(`the cron string ${JSON.stringify(cron.slice(0, 100))} is invalid, or is never due`);
  if (seconds !== '0')
    throw badRequest(`the 1st field (indicating Seconds of time) of the cron setting must be 0: ${cron}`);
  return cron;
}

/** When a schedule is due next: what it missed while nobody worked is due at once. */
export function nextScheduledTime(
  { cron, doneUpTo }: { readonly cron: string; readonly doneUpTo: Date },
  now: Date,
): Date | undefined {
  const parsed = parseCron(cron);
  if (parsed === undefined) return undefined;
  return dueTime(parsed, doneUpTo, now) ?? nextTime(parsed, doneUpTo > now ? doneUpTo : now);
}
