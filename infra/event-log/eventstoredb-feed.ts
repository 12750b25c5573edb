import type { AllStreamRecordedEvent, AllStreamSubscription, Position } from '@eventstore/db-client';
import type { RecordedEvent } from '../../domain/event.ts';
import { type ClientStream, leave } from './eventstoredb-client.ts';
import { LogUnavailable } from './port.ts';

/** Bounds of one batch; the last event may exceed `maxBatchBytes`, and an event is always handed over whole. */
const maxBatchEvents = 1000;
const maxBatchBytes = 4 * 1024 * 1024;

export interface Batch {
  readonly events: RecordedEvent[];
  /** Where a new subscription goes on when all these events were delivered. */
  resumeAt: Position | undefined;
  bytes: number;
}

export interface Feed {
  /** Opens the subscription; `checkpointReached` is to be its filter's. */
  readonly subscribe: (
    checkpointReached: (subscription: AllStreamSubscription, position: Position) => void,
  ) => AllStreamSubscription;
  readonly decode: (event: AllStreamRecordedEvent) => RecordedEvent;
  readonly signal: AbortSignal;
  /** How long the server may send nothing at all while events are wanted; undefined for ever. */
  readonly idleMs: number | undefined;
}

/**
 * The events of a subscription to `$all` in batches, also empty ones where only `resumeAt` has moved. While the
 * consumer works on a batch the next one is collected, and nothing more: beyond it lie only the 16 messages and the
 * HTTP/2 window that gRPC buffers. Ends when `signal` aborts, throws when the subscription ends or fails.
 */
export async function* batchesOf({ subscribe, decode, signal, idleMs }: Feed): AsyncGenerator<Batch, void> {
  if (signal.aborted) return;
  let batch = emptyBatch();
  let checkpoint: Position | undefined;
  let failure: unknown;
  let wake: (() => void) | undefined;

  const fail = (error: unknown) => {
    failure ??= error;
    wake?.();
  };
  const idle =
    idleMs === undefined
      ? undefined
      : setTimeout(() => {
          if (isFull(batch)) idle?.refresh();
          else fail(new Error(`the server has sent nothing for ${idleMs} ms`));
        }, idleMs);

  const collect = () => {
    while (!isFull(batch)) {
      const resolved = subscription.read();
      if (resolved === null) {
        // Only now everything that was sent before the checkpoint has been taken out of the subscription.
        if (checkpoint !== undefined) batch.resumeAt = checkpoint;
        checkpoint = undefined;
        break;
      }
      idle?.refresh();
      const { event } = resolved;
      if (event === undefined) continue;
      batch.events.push(decode(event));
      batch.bytes += JSON.stringify(event.data).length;
      batch.resumeAt = event.position;
      if (checkpoint !== undefined && checkpoint.commit < event.position.commit) checkpoint = undefined;
    }
  };
  const fill = () => {
    if (failure !== undefined || signal.aborted) return;
    try {
      collect();
    } catch (error) {
      fail(error);
    }
    // After a turn, in which more may arrive: or else a consumer that waits would get every event by itself.
    if (hasNews(batch)) setImmediate(() => wake?.());
  };

  const subscription = subscribe((_, position) => {
    checkpoint = position;
    idle?.refresh();
    setImmediate(fill);
  });
  // The listener stays: a connection that breaks after the consumer left is then nobody's unhandled error.
  subscription.on('error', fail);
  subscription.on('end', () => fail(new Error('the server has ended the subscription')));
  subscription.on('readable', fill);
  const end = () => {
    clearTimeout(idle);
    signal.removeEventListener('abort', end);
    leave(subscription, () => subscription.unsubscribe());
    wake?.();
  };
  // Not only when the consumer comes back: it may take its time, or never come.
  signal.addEventListener('abort', end);

  try {
    while (!signal.aborted) {
      if (hasNews(batch)) {
        const full = batch;
        batch = emptyBatch();
        fill();
        yield full;
      } else if (failure !== undefined) {
        throw failure;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    end();
  }
}

const emptyBatch = (): Batch => ({ events: [], resumeAt: undefined, bytes: 0 });
const hasNews = ({ events, resumeAt }: Batch): boolean => events.length > 0 || resumeAt !== undefined;
const isFull = ({ events, bytes }: Batch): boolean =>
  events.length >= maxBatchEvents || bytes >= maxBatchBytes;

/**
 * The entries of a read. It fails when the server is silent for `idleMs` and when `closed` aborts; the consumer is
 * taken to come back at once.
 */
export async function* entriesOf<Entry>(
  read: ClientStream<Entry> & { cancel(): Promise<void> },
  idleMs: number,
  closed: AbortSignal,
): AsyncGenerator<Entry, void> {
  let ended = false;
  let failure: unknown;
  let wake: (() => void) | undefined;
  const fail = (error: unknown) => {
    failure ??= error;
    wake?.();
  };
  const idle = setTimeout(() => fail(new LogUnavailable(`no answer within ${idleMs} ms`)), idleMs);
  const close = () => fail(new LogUnavailable('the log was closed'));
  closed.addEventListener('abort', close);
  read.on('error', fail);
  read.on('end', () => {
    ended = true;
    wake?.();
  });
  read.on('readable', () => wake?.());
  try {
    while (failure === undefined) {
      const entry = read.read();
      if (entry !== null) {
        idle.refresh();
        yield entry;
      } else if (ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    throw failure;
  } finally {
    clearTimeout(idle);
    closed.removeEventListener('abort', close);
    leave(read, () => read.cancel());
  }
}
