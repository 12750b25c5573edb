import { type Catalogue, upcast } from '../../domain/catalogue.ts';
import { type Shown, shownOf } from '../../domain/public-event/cloud-event.ts';
import { type EventFilter, filterMatches } from '../../domain/public-event/filter.ts';
import { type PublicEvent, publicEventOf } from '../../domain/public-event/public-event.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import {
  type EventPlace,
  type EventQuestion,
  type findEvents,
  indexedKeys,
} from '../../projections/public-events/queries.ts';
import type { Query } from '../api/ports.ts';
import { type EventReader, eventSightOf, type ReaderPorts } from './reader.ts';

/** An event, and what of it this reader is told. */
export interface Told {
  readonly event: PublicEvent;
  readonly shown: Shown;
}

export interface EventPage {
  /** In the order that was asked for. */
  readonly told: readonly Told[];
  /** All up to here was looked at, or down to here; undefined where there is nothing more and never will be. */
  readonly next: bigint | undefined;
}

export interface PageQuestion extends Omit<EventQuestion, 'sight'> {
  readonly descending: boolean;
  readonly limit: number;
}

export interface PagePorts extends ReaderPorts {
  readonly log: Pick<EventLog, 'readAt'>;
  readonly catalogue: Catalogue;
  readonly findEvents: Query<typeof findEvents>;
  /** A position up to which the rows, and what says who may what, show everything; as new as the log is. */
  shownUpTo(): Promise<bigint>;
}

/** Events that are read for a page at the most, where only the log knows whether they are asked for. */
const maxRead = 2000;
const readAtOnce = 500;
/** Parts of the rows that are looked at for a page, where no index leads to what is asked for. */
const maxLooks = 4;

/**
 * Up to `limit` events; fewer, with `next`, where it would have to read too many others.
 * @param end what `shownUpTo` has said: nothing behind it is told
 */
export async function readPage(
  ports: PagePorts,
  reader: EventReader,
  question: PageQuestion,
  end: bigint,
): Promise<EventPage> {
  const { filter, descending, limit } = question;
  const sight = await eventSightOf(ports, reader.principal);
  const isIndexed = [...filter.keys()].every((key) => (indexedKeys as readonly string[]).includes(key));
  const atOnce = isIndexed ? Math.min(limit, readAtOnce) : readAtOnce;
  let { after, before } = question;
  if (before > end + 1n) before = end + 1n;
  const told: Told[] = [];
  for (let read = 0, looks = 0; ; ) {
    const { places, lookedTo } = await ports.findEvents({ ...question, after, before, sight, limit: atOnce });
    for (const event of await readEvents(ports, places, descending)) {
      if (descending) before = event.position;
      else after = event.position;
      const one = await tellTo(reader, event, filter);
      if (one !== undefined) told.push(one);
      if (told.length === limit) return { told, next: event.position };
    }
    read += places.length;
    if (places.length < atOnce && lookedTo === undefined) break;
    if (lookedTo !== undefined) {
      if (descending) before = lookedTo;
      else after = lookedTo;
      looks += 1;
    }
    if (read >= maxRead || looks >= maxLooks) return { told, next: descending ? before : after };
  }
  const isOver = descending || question.before <= end + 1n;
  return { told, next: isOver ? undefined : end > after ? end : after };
}

/** The event as `reader` is told of it; undefined where it is not for him, or not asked for as he is told of it. */
export async function tellTo(
  reader: EventReader,
  event: PublicEvent,
  filter: EventFilter,
): Promise<Told | undefined> {
  // Most are not asked for, which needs no look at rights; what is, is asked once more of what he is told.
  if (!filterMatches(filter, event)) return undefined;
  const shown = await reader.shownOf(event);
  if (shown === undefined || !filterMatches(filter, shownOf(event, shown))) return undefined;
  return { event, shown };
}

/** The events at these places, from the log itself. */
export async function readEvents(
  { log, catalogue }: Pick<PagePorts, 'log' | 'catalogue'>,
  places: readonly EventPlace[],
  descending = false,
): Promise<readonly PublicEvent[]> {
  const projects = new Map(places.map(({ position, projectId }) => [position, projectId]));
  const rising = [...projects.keys()].toSorted((one, other) => (one < other ? -1 : 1));
  const read: PublicEvent[] = [];
  for await (const events of log.readAt(rising))
    for (const event of events) {
      const names = { idOf: () => projects.get(event.position) };
      const told = publicEventOf(upcast(catalogue, event), names);
      if (told !== undefined) read.push(told);
    }
  return descending ? read.toReversed() : read;
}
