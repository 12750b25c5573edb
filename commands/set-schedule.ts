import type { Metadata } from '../domain/event.ts';
import { type ScheduleSettings, scheduleDecider } from '../domain/schedule/decider.ts';
import { scheduleStream } from '../domain/schedule/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

/**
 * Starts the work by the clock from now on, instead of by the schedule that it had, if any; a worker begins with it
 * within a second of the time. Times while nobody works are made up for by one execution.
 * @throws Refusal `cron-invalid`
 */
export const setSchedule =
  ({ record, allocateId, now }: { record: Recorder; allocateId: AllocateId; now(): Date }) =>
  async (settings: ScheduleSettings, metadata: Metadata): Promise<bigint> => {
    const scheduleId = await allocateId('schedule', metadata);
    const command = { do: 'set', scheduleId, ...settings, since: now().toISOString() } as const;
    const stream = scheduleStream(settings.kind, settings.vendorId);
    return (await record(metadata, decision(stream, scheduleDecider, command, 'last'))).position;
  };
