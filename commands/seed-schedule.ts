import type { RecordedEvent } from '../domain/event.ts';
import type { JobKind } from '../domain/execution/kinds.ts';
import { type ScheduleSettings, scheduleDecider } from '../domain/schedule/decider.ts';
import { type ScheduleEvent, scheduleStream } from '../domain/schedule/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

interface Ports {
  readonly record: Recorder;
  readonly allocateId: AllocateId;
  now(): Date;
}

export interface SeedSchedule {
  readonly kind: JobKind;
  readonly vendorId: number;
  /** Undefined where there is to be none. */
  readonly seed: Pick<ScheduleSettings, 'cron' | 'parameters'> | undefined;
}

const system = { actor: 'system' };

/**
 * Sets the schedule that the configuration says, or ends it, as long as nobody has set or ended one: what an
 * administrator has decided stays as it is. Any number of processes may do so at once.
 */
export const seedSchedule =
  ({ record, allocateId, now }: Ports) =>
  async ({ kind, vendorId, seed }: SeedSchedule): Promise<void> => {
    const stream = scheduleStream(kind, vendorId);
    const parameters = { ...seed?.parameters, [mark]: true };
    const look = { stream, needs: 'last', decide: seen } as const;
    const { isOurs, settings } = (await record(system, look)).states[0];
    // No number is given away, and no event recorded, at every start of a server.
    const isSame =
      settings?.cron === seed?.cron &&
      (settings === undefined || JSON.stringify(settings.parameters) === JSON.stringify(parameters));
    if (!isOurs || isSame) return;

    const since = now().toISOString();
    const command =
      seed === undefined
        ? ({ do: 'remove' } as const)
        : ({
            do: 'set',
            ...{ kind, vendorId, type: 'Custom', cron: seed.cron, parameters, since },
            scheduleId: await allocateId('schedule', system),
          } as const);
    const setting = decision(stream, scheduleDecider, command, 'last');
    await record(system, {
      ...setting,
      decide: (history) =>
        seen(history).state.isOurs ? setting.decide(history) : { events: [], state: null },
    });
  };

/** What tells a schedule of the configuration from others. */
const mark = 'configured';

function seen(history: readonly RecordedEvent[]) {
  const last = history.at(-1) as RecordedEvent<ScheduleEvent> | undefined;
  if (last === undefined || last.type === 'ScheduleRemoved') {
    const isOurs = last === undefined || last.metadata.actor === system.actor;
    return { events: [], state: { isOurs, settings: undefined } };
  }
  return { events: [], state: { isOurs: last.data.parameters[mark] === true, settings: last.data } };
}
