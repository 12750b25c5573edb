/** When something is due, in UTC: the values that each field allows, in ascending order. */
export interface Cron {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** Whether the day on which `at` is, in UTC, is one of those. */
  isDay(at: Date): boolean;
}

const dayMs = 24 * 60 * 60 * 1000;
/** 29 February is not there for eight years around 1900 and 2100. */
const horizonDays = 8 * 366;

const names = {
  month: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  weekday: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'],
} as const;

/**
 * The meaning of a cron of six fields (second, minute, hour, day of the month, month, day of the week) with `*`, `?`,
 * lists, ranges, steps and English names, as Harbor reads it: where both kinds of day are restricted, either will do.
 * Undefined for what is none, or would never be due.
 */
export function parseCron(text: string): Cron | undefined {
  const fields = text.length > 200 ? [] : text.trim().split(/\s+/);
  const [second, minute, hour, day, month, weekday] = fields;
  if (fields.length !== 6) return undefined;
  const seconds = valuesOf(second, 0, 59);
  const minutes = valuesOf(minute, 0, 59);
  const hours = valuesOf(hour, 0, 23);
  const days = valuesOf(day, 1, 31);
  const months = valuesOf(month, 1, 12, names.month);
  const weekdays = valuesOf(weekday, 0, 6, names.weekday);
  if (!seconds || !minutes || !hours || !days || !months || !weekdays) return undefined;

  const onDay = new Set(days);
  const inMonth = new Set(months);
  const onWeekday = new Set(weekdays);
  const either = !isAny(day) && !isAny(weekday);
  const cron: Cron = {
    seconds,
    minutes,
    hours,
    isDay(at) {
      if (!inMonth.has(at.getUTCMonth() + 1)) return false;
      const [byDay, byWeekday] = [onDay.has(at.getUTCDate()), onWeekday.has(at.getUTCDay())];
      return either ? byDay || byWeekday : byDay && byWeekday;
    },
  };
  // From a day of a leap year, so that what is due once in four years is found at once.
  return nextTime(cron, new Date(Date.UTC(2096, 0, 1))) === undefined ? undefined : cron;
}

/** The first time after `after` that is due; undefined where there is none within eight years. */
export const nextTime = (cron: Cron, after: Date): Date | undefined => search(cron, after, 1);

/** The last time before `before` that was due; undefined where there is none within eight years. */
export const previousTime = (cron: Cron, before: Date): Date | undefined => search(cron, before, -1);

/** The time that is due now, when all up to `doneUpTo` is done: the last one, however many were missed. */
export function dueTime(cron: Cron, doneUpTo: Date, now: Date): Date | undefined {
  const last = previousTime(cron, new Date(now.getTime() + 1));
  return last !== undefined && last > doneUpTo ? last : undefined;
}

function search(cron: Cron, from: Date, direction: 1 | -1): Date | undefined {
  if (Number.isNaN(from.getTime())) return undefined;
  const midnight = Date.UTC(from.getUTCFullYear(), from.getUTCMonth(), from.getUTCDate());
  for (let days = 0; days <= horizonDays; days += 1) {
    const day = midnight + direction * days * dayMs;
    if (!cron.isDay(new Date(day))) continue;
    const found = within(cron, day, from.getTime(), direction);
    if (found !== undefined) return new Date(found);
  }
  return undefined;
}

/** The first or last time of the day that begins at `day` which is after, or before, `from`. */
function within(cron: Cron, day: number, from: number, direction: 1 | -1): number | undefined {
  const ordered = (values: readonly number[]) => (direction === 1 ? values : values.toReversed());
  const isBeyond = (time: number) => (direction === 1 ? time > from : time < from);
  for (const hour of ordered(cron.hours)) {
    // The hour's and the minute's last second, or first: if that is not beyond, nothing in them is.
    const hourAt = day + hour * 3_600_000;
    if (!isBeyond(direction === 1 ? hourAt + 3_599_000 : hourAt)) continue;
    for (const minute of ordered(cron.minutes)) {
      const minuteAt = hourAt + minute * 60_000;
      if (!isBeyond(direction === 1 ? minuteAt + 59_000 : minuteAt)) continue;
      for (const second of ordered(cron.seconds))
        if (isBeyond(minuteAt + second * 1000)) return minuteAt + second * 1000;
    }
  }
  return undefined;
}

/** A cron as most write it begins with the minute, and is due in its first second; one of six fields stays. */
export const inSixFields = (cron: string): string =>
  cron.trim().split(/\s+/).length === 5 ? `0 ${cron.trim()}` : cron.trim();

const isAny = (field: string | undefined): boolean => field === '*' || field === '?';

/** Undefined for what is malformed or has a value outside of `min` to `max`. */
function valuesOf(
  field: string | undefined,
  min: number,
  max: number,
  named: readonly string[] = [],
): readonly number[] | undefined {
  const values = new Set<number>();
  for (const part of (field ?? '').toLowerCase().split(',')) {
    const [, range = '', step] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(part) ?? [];
    const [first = '', last, ...more] = isAny(range) ? [String(min), String(max)] : range.split('-');
    const from = numberOf(first, min, named);
    const to = last === undefined ? (step === undefined ? from : max) : numberOf(last, min, named);
    const by = step === undefined ? 1 : Number(step);
    if (from === undefined || to === undefined || more.length > 0 || by < 1) return undefined;
    if (from < min || to > max || from > to) return undefined;
    for (let value = from; value <= to; value += by) values.add(value);
  }
  return [...values].toSorted((one, other) => one - other);
}

function numberOf(text: string, min: number, named: readonly string[]): number | undefined {
  const name = named.indexOf(text);
  if (name !== -1) return name + min;
  return /^\d{1,2}$/.test(text) ? Number(text) : undefined;
}
