import { Readable } from 'node:stream';
import { type CloudEvent, cloudEventOf } from '../../domain/public-event/cloud-event.ts';
import type { PublicEvent } from '../../domain/public-event/public-event.ts';
import type { FeedPart } from './feed.ts';
import type { Told } from './pages.ts';

export interface EventStreamOptions {
  /** Where it begins. */
  readonly after: bigint;
  readonly heartbeatMs: number;
  textOf(told: Told): string;
  /** The client comes again, and goes on where it was. */
  onFailure(error: unknown): void;
}

/** What a client waits before it comes again, in milliseconds. */
const retryMs = 2000;

/** What waits for a reader who takes it slowly, in bytes. */
const bufferBytes = 64 * 1024;

/**
 * A feed as server-sent events (HTML, "Server-sent events"): the id is the position, by which it is resumed. A `checkpoint`
 * has the id of what was looked at last, so that who is told nothing for long does not begin again where he began. Nothing is
 * taken of the feed while nobody reads.
 */
export function eventStream(parts: AsyncIterable<FeedPart>, options: EventStreamOptions): Readable {
  async function* text() {
    try {
      yield* blocksOf(parts, options);
    } catch (error) {
      options.onFailure(error);
    }
  }
  return Readable.from(text(), { objectMode: false, highWaterMark: bufferBytes });
}

async function* blocksOf(
  parts: AsyncIterable<FeedPart>,
  { after, heartbeatMs, textOf }: EventStreamOptions,
): AsyncGenerator<string, void> {
  let sent = after;
  let sentAt = performance.now();
  yield `retry: ${retryMs}\n\n${checkpoint(after)}`;
  for await (const { told, position } of parts) {
    const lines = told.map(
      (one) => `id: ${one.event.position}\nevent: ${one.event.type}\ndata: ${textOf(one)}\n\n`,
    );
    const last = told.at(-1)?.event.position;
    if (last !== undefined) sent = last;
    // A little early, since both go by the same clock.
    else if (performance.now() - sentAt >= heartbeatMs * 0.9) {
      lines.push(position > sent ? checkpoint(position) : ': heartbeat\n\n');
      sent = position;
    } else continue;
    sentAt = performance.now();
    yield lines.join('');
  }
}

const checkpoint = (position: bigint): string =>
  `id: ${position}\nevent: checkpoint\ndata: {"position":"${position}"}\n\n`;

/** The text of CloudEvents; one event is written once for all who are told the same of it. */
export function cloudEventTexts(source: string) {
  const texts = new WeakMap<PublicEvent, Map<string, string>>();
  const eventOf = ({ event, shown }: Told): CloudEvent => cloudEventOf(event, { source, ...shown });
  return {
    eventOf,
    textOf(told: Told): string {
      const { showsActor, showsOrigin } = told.shown;
      const variant = `${showsActor} ${showsOrigin}`;
      let of = texts.get(told.event);
      if (of === undefined) {
        of = new Map();
        texts.set(told.event, of);
      }
      const text = of.get(variant) ?? JSON.stringify(eventOf(told));
      of.set(variant, text);
      return text;
    },
  };
}
