import type { Decider } from '../decider.ts';
import type { JobKind } from '../execution/kinds.ts';
import { Refusal } from '../refusal.ts';
import { parseCron } from './cron.ts';
import type { ScheduleEvent } from './events.ts';

export interface ScheduleSettings {
  readonly kind: JobKind;
  /** `noVendor` where there is none. */
  readonly vendorId: number;
  /** `Hourly`, `Daily`, `Weekly` or `Custom`. */
  readonly type: string;
  /** Six fields, in UTC; see `parseCron`. */
  readonly cron: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export type ScheduleCommand =
  | ({
      readonly do: 'set';
      /** Of a schedule that is new; one that is there keeps its own. */
      readonly scheduleId: number;
      /** What is due before does not count; ISO 8601 in UTC. */
      readonly since: string;
    } & ScheduleSettings)
  | { readonly do: 'remove' }
  | {
      readonly do: 'fire';
      readonly scheduleId: number;
      /** By which cron it was found to be due: it may be another one by now. */
      readonly cron: string;
      /** ISO 8601 in UTC. */
      readonly dueAt: string;
      /** The execution that is still running, if one is; a fact, read before deciding. */
      readonly running: number | undefined;
      readonly executionId: number;
      readonly taskId: number;
      readonly jobId: string;
    };

type Settings = Extract<ScheduleEvent, { type: 'ScheduleSet' }>['data'];

export interface Schedule {
  readonly settings: Settings;
  /** Nothing at this time or before is due any more; ISO 8601 in UTC. */
  readonly doneUpTo: string;
}

/** Null while there is none. */
export const scheduleDecider: Decider<Schedule | null, ScheduleCommand, ScheduleEvent> = {
  initial: null,

  decide(schedule, command) {
    switch (command.do) {
      case 'set': {
        const { do: _, ...data } = command;
        if (parseCron(data.cron) === undefined) throw new Refusal({ kind: 'cron-invalid', cron: data.cron });
        const { scheduleId = data.scheduleId } = schedule?.settings ?? {};
        if (schedule !== null && isSame(schedule, data)) return [];
        return [{ type: 'ScheduleSet', data: { ...data, scheduleId } }];
      }
      case 'remove': {
        if (schedule === null) return [];
        const { scheduleId, kind, vendorId } = schedule.settings;
        return [{ type: 'ScheduleRemoved', data: { scheduleId, kind, vendorId } }];
      }
      case 'fire': {
        const { scheduleId, cron, dueAt, running, executionId, taskId, jobId } = command;
        if (schedule?.settings.scheduleId !== scheduleId || schedule.settings.cron !== cron) return [];
        // Another scheduler was first, or the clock went back.
        if (Date.parse(dueAt) <= Date.parse(schedule.doneUpTo)) return [];
        if (running !== undefined)
          return [{ type: 'ScheduleSkipped', data: { ...schedule.settings, dueAt, executionId: running } }];
        return [{ type: 'ScheduleFired', data: { ...schedule.settings, dueAt, executionId, taskId, jobId } }];
      }
    }
  },

  evolve(_, event) {
    if (event.type === 'ScheduleRemoved') return null;
    const { scheduleId, kind, vendorId, type, cron, parameters, since } = event.data;
    const settings = { scheduleId, kind, vendorId, type, cron, parameters, since };
    return { settings, doneUpTo: 'dueAt' in event.data ? event.data.dueAt : since };
  },
};

/**
 * Whether the same is asked for again, since whenever; unless it has fired in the future, by a clock that was wrong, and
 * would not be due for as long.
 */
const isSame = ({ settings, doneUpTo }: Schedule, asked: Omit<Settings, 'scheduleId'>): boolean =>
  settings.cron === asked.cron &&
  settings.type === asked.type &&
  JSON.stringify(settings.parameters) === JSON.stringify(asked.parameters) &&
  Date.parse(doneUpTo) <= Date.parse(asked.since);
