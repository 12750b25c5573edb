import type { Metadata } from '../domain/event.ts';
import type { JobKind } from '../domain/execution/kinds.ts';
import { scheduleDecider } from '../domain/schedule/decider.ts';
import { scheduleStream } from '../domain/schedule/events.ts';
import { decision, type Recorder } from './record.ts';

/** What is under way goes on. Resolves to the log's position, also where there is no such schedule. */
export const removeSchedule =
  ({ record }: { readonly record: Recorder }) =>
  async (kind: JobKind, vendorId: number, metadata: Metadata): Promise<bigint> => {
    const stream = scheduleStream(kind, vendorId);
    return (await record(metadata, decision(stream, scheduleDecider, { do: 'remove' }, 'last'))).position;
  };
