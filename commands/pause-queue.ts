import type { Metadata } from '../domain/event.ts';
import type { JobKind } from '../domain/execution/kinds.ts';
import { queueDecider } from '../domain/queue/decider.ts';
import { queueStream } from '../domain/queue/events.ts';
import { decision, type Recorder } from './record.ts';

/** Lets nothing of the kind begin until it is resumed; what runs goes on. Resolves to the log's position. */
export const pauseQueue = (ports: { readonly record: Recorder }) => changeQueue(ports, 'pause');

/** Lets work of the kind begin again. Resolves to the log's position. */
export const resumeQueue = (ports: { readonly record: Recorder }) => changeQueue(ports, 'resume');

const changeQueue =
  ({ record }: { readonly record: Recorder }, deed: 'pause' | 'resume') =>
  async (kind: JobKind, metadata: Metadata): Promise<bigint> => {
    const changed = decision(queueStream(kind), queueDecider, { do: deed, kind }, 'last');
    return (await record(metadata, changed)).position;
  };
