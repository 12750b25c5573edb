import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { actorOf } from '../../domain/access/principal.ts';
import {
  barWidths,
  type countEvents,
  type findEventAt,
  indexedKeys,
} from '../../projections/public-events/queries.ts';
import type { Access, Asker } from '../api/access.ts';
import { type AnswerForm, time } from '../api/answer-forms.ts';
import { badRequest, unauthorized } from '../api/faults.ts';
import { operation } from '../api/operation.ts';
import { limit, limitOr, text } from '../api/parameter-forms.ts';
import type { ApiPorts, Query } from '../api/ports.ts';
import {
  eventParameters,
  type RangePorts,
  readFilter,
  readPosition,
  readRange,
  requireReached,
} from './event-query.ts';
import { cloudEventTexts, eventStream } from './event-stream.ts';
import { type Feed, type FeedPorts, feedOf } from './feed.ts';
import { cloudEventForm, type OneEventPorts, oneEventRoute } from './one-event.ts';
import { type EventPage, readPage, type Told } from './pages.ts';
import { eventReader, eventSightOf } from './reader.ts';
import type { streamPlaces } from './stream-places.ts';

/** What the routes of events ask for beside what all routes do. */
export interface EventPorts extends Omit<FeedPorts, 'queries' | 'rolesOf' | 'log'>, RangePorts {
  readonly log: OneEventPorts['log'];
  readonly countEvents: Query<typeof countEvents>;
  readonly findEventAt: Query<typeof findEventAt>;
  readonly takePlace: ReturnType<typeof streamPlaces>;
  /** The address of the registry, by which others know whose events they are. */
  readonly source: string;
}

const eventPage = z
  .object({
    events: z.array(cloudEventForm),
    next: z
      .string()
      .nullable()
      .describe('What `after` has to be to go on; null where there is nothing more and never will be'),
  })
  .meta({ id: 'EventPage' });
const histogram = z
  .object({
    bars: z.array(
      z.object({ at: time, total: z.int(), refused: z.int(), failed: z.int() }).meta({ id: 'EventBar' }),
    ),
  })
  .meta({ id: 'EventHistogram' });

type EventAnswer =
  | { readonly page: z.input<typeof eventPage> }
  | { readonly bars: Awaited<ReturnType<EventPorts['countEvents']>> }
  | { readonly stream: Readable };

const answer: AnswerForm<EventAnswer> = {
  status: 200,
  description: 'Events, or how many there are; as text/event-stream, those that happen as well',
  schema: z.union([eventPage, histogram]),
  contentType: ['application/json', 'text/event-stream'],
  send(result, { reply }) {
    if ('page' in result) return reply.send(result.page);
    if ('bars' in result) return reply.send({ bars: result.bars });
    reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no');
    return reply.type('text/event-stream; charset=utf-8').send(result.stream);
  },
};

const maxWaitSeconds = 60;
/** More bars than anybody can look at. */
const maxBars = 5000;
const barMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** What happens, for those who may know of it: in pages, as it happens, and counted. */
export function eventRoutes(
  api: FastifyInstance,
  ports: Pick<ApiPorts, 'queries' | 'rolesOf' | 'identifyAgain'> & { readonly events: EventPorts },
  access: Access,
): void {
  const { queries, rolesOf, identifyAgain, events } = ports;
  const reading = { ...events, queries, rolesOf };
  const texts = cloudEventTexts(events.source);

  operation(
    api,
    {
      id: 'listEvents',
      tag: 'events',
      method: 'GET',
      path: '/events',
      summary:
        'What has happened, of all that the asker may know: in pages, or as it happens by server-sent events or by waiting for the next page.',
      query: {
        ...eventParameters,
        after: text.meta({
          parameter: { type: 'string', description: 'The `next` of a page, or the id of an event' },
        }),
        order: text.meta({ parameter: { type: 'string', enum: ['asc', 'desc'], default: 'asc' } }),
        limit,
        wait: text.meta({
          parameter: {
            type: 'integer',
            minimum: 0,
            maximum: maxWaitSeconds,
            description: 'How many seconds to wait where there is none yet',
          },
        }),
        group: text.meta({
          parameter: {
            type: 'string',
            enum: barWidths,
            description: 'To be told how many there are in each',
          },
        }),
      },
      headers: { 'Last-Event-ID': 'Where a stream goes on, in the place of `after`' },
      answer,
    },
    async ({ request, query }) => {
      const asker = await known(request);
      const filter = readFilter(request, query.filter);
      const head = await events.shownUpTo();
      const range = await readRange(events, query, head);
      if (query.group !== undefined)
        return { bars: await count(asker, { ...query, group: query.group }, { filter, range }) };

      const isDescending = oneOf('order', query.order ?? 'asc', ['asc', 'desc']) === 'desc';
      const isStream = /\btext\/event-stream\b/i.test(request.headers.accept ?? '');
      const waitSeconds = readWait(query.wait);
      const place = readCursor(request, query.after, isStream);
      if (place !== undefined) requireReached(place.what, place.position, head);
      if (isDescending && (isStream || waitSeconds > 0))
        throw badRequest('order in query: what is yet to happen comes in its own order');
      if (isStream || waitSeconds > 0) {
        if (query.to !== undefined) throw badRequest('to in query: what is yet to happen has no end');
        const after = place?.position ?? range.after ?? head;
        const feed = { after, filter };
        return isStream
          ? { stream: await openStream(asker, feed) }
          : { page: await wait(asker, feed, waitSeconds, limitOr(query.limit)) };
      }
      const bounds = isDescending
        ? {
            after: range.after ?? 0n,
            before: place !== undefined && place.position < range.before ? place.position : range.before,
          }
        : { after: place?.position ?? range.after ?? 0n, before: range.before };
      const question = { ...range, ...bounds, filter, descending: isDescending, limit: limitOr(query.limit) };
      const page = await readPage(reading, eventReader(reading, asker.principal), question, head);
      return { page: pageOf(page) };
    },
  );

  oneEventRoute(api, reading, { known, eventOf: texts.eventOf });

  /** Whoever it is; but nobody who believes that he has logged in is answered as anybody. */
  async function known(request: FastifyRequest): Promise<Asker> {
    const asker = await access.anyone(request);
    if (asker.principal.kind === 'anonymous' && request.headers.authorization !== undefined)
      throw unauthorized();
    return asker;
  }

  async function count(
    { principal }: Asker,
    query: { readonly group: string; readonly after?: string | undefined },
    {
      filter,
      range,
    }: {
      readonly filter: ReturnType<typeof readFilter>;
      readonly range: Awaited<ReturnType<typeof readRange>>;
    },
  ) {
    const width = oneOf('group', query.group, barWidths);
    for (const key of filter.keys())
      if (!(indexedKeys as readonly string[]).includes(key))
        throw badRequest(`filter in query: events are not counted by ${key}`);
    if (range.from === undefined) throw badRequest('from in query: events are counted from a time on');
    const until = range.to ?? new Date();
    if ((until.getTime() - range.from.getTime()) / barMs[width] > maxBars)
      throw badRequest(`group in query: there are more than ${maxBars} of them`);
    const sight = await eventSightOf(reading, principal);
    return events.countEvents({ ...range, after: range.after ?? 0n, filter, sight }, width);
  }

  const pageOf = ({ told, next }: Pick<EventPage, 'told' | 'next'>) => ({
    events: told.map(texts.eventOf),
    next: next === undefined ? null : String(next),
  });

  /** Ends when the client leaves. */
  function follow({ request, principal }: Asker, { after, filter }: Pick<Feed, 'after' | 'filter'>) {
    const leaving = new AbortController();
    const account = principal.kind === 'anonymous' ? `anonymous ${request.ip}` : actorOf(principal);
    const leave = events.takePlace(account);
    // Watching is no use of a session.
    request.headers['x-harbor-no-session-renewal'] ??= 'true';
    const parts = feedOf(reading, {
      ...{ after, filter, signal: leaving.signal },
      async readerNow() {
        const now = await identifyAgain(request);
        if (now.kind === 'anonymous' && principal.kind !== 'anonymous') return undefined;
        return eventReader(reading, now);
      },
    });
    return {
      parts,
      end() {
        leaving.abort();
        leave();
      },
    };
  }

  async function openStream(asker: Asker, feed: Pick<Feed, 'after' | 'filter'>): Promise<Readable> {
    await events.head.join();
    const { parts, end } = follow(asker, feed);
    const { request } = asker;
    const stream = eventStream(parts, {
      after: feed.after,
      heartbeatMs: events.heartbeatMs,
      textOf: texts.textOf,
      onFailure: (err) => request.log.warn({ err }, 'a stream of events has ended early'),
    });
    const stayed = onLeave(request, end);
    stream.once('close', () => {
      stayed();
      end();
    });
    return stream;
  }

  async function wait(
    asker: Asker,
    feed: Pick<Feed, 'after' | 'filter'>,
    seconds: number,
    most: number,
  ): Promise<z.input<typeof eventPage>> {
    const { parts, end } = follow(asker, feed);
    const timer = setTimeout(end, seconds * 1000);
    const stayed = onLeave(asker.request, end);
    let position = feed.after;
    try {
      for await (const part of parts) {
        const told: readonly Told[] = part.told.slice(0, most);
        const last = told.length < part.told.length ? told.at(-1)?.event.position : undefined;
        position = last ?? part.position;
        if (told.length > 0) return pageOf({ told, next: position });
      }
      return pageOf({ told: [], next: position });
    } finally {
      clearTimeout(timer);
      stayed();
      end();
    }
  }
}

/** Calls `left` when the client has, also where that was before; until the function that it returns is called. */
function onLeave({ raw: { socket } }: FastifyRequest, left: () => void): () => void {
  if (socket.destroyed) left();
  socket.once('close', left);
  return () => socket.off('close', left);
}

function readWait(written: string | undefined): number {
  if (written === undefined) return 0;
  const seconds = /^\d{1,3}$/.test(written) ? Number(written) : Number.NaN;
  if (!(seconds <= maxWaitSeconds))
    throw badRequest(`wait in query is a number of seconds up to ${maxWaitSeconds}`);
  return seconds;
}

function readCursor(request: FastifyRequest, after: string | undefined, isStream: boolean) {
  const last = request.headers['last-event-id'];
  const [what, written] =
    isStream && typeof last === 'string' && last !== ''
      ? ['Last-Event-ID in header', last]
      : ['after in query', after];
  return written === undefined ? undefined : { what, position: readPosition(what, written) };
}

function oneOf<Value extends string>(name: string, written: string, values: readonly Value[]): Value {
  const found = values.find((value) => value === written);
  if (found === undefined) throw badRequest(`${name} in query is one of ${values.join(', ')}`);
  return found;
}
