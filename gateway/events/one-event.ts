import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type CloudEvent, cloudEvent } from '../../domain/public-event/cloud-event.ts';
import { type EventFilter, everyEvent } from '../../domain/public-event/filter.ts';
import type { PublicEvent } from '../../domain/public-event/public-event.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import type { Asker } from '../api/access.ts';
import { shows } from '../api/answer-forms.ts';
import { notFound } from '../api/faults.ts';
import { operation } from '../api/operation.ts';
import { readPosition } from './event-query.ts';
import type { EventPorts } from './event-routes.ts';
import { endOfTime } from './feed.ts';
import { type PagePorts, readEvents, readPage, type Told, tellTo } from './pages.ts';
import { type EventReader, eventReader } from './reader.ts';

export interface OneEventPorts extends PagePorts {
  readonly log: Pick<EventLog, 'readAt' | 'readStream'>;
  readonly findEventAt: EventPorts['findEventAt'];
}

export const cloudEventForm = cloudEvent.meta({ id: 'CloudEvent' });
const eventInContext = z
  .object({
    event: cloudEventForm,
    before: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe(
        'What was there before, as far as that is known: of a tag its digest, else what the event before said',
      ),
    previous: cloudEventForm.nullable().describe('The event before this one in its stream'),
    next: cloudEventForm.nullable().describe('The event after this one in its stream'),
    cause: cloudEventForm.nullable().describe('The event that led to this one'),
    effects: z.array(cloudEventForm).describe('Events that this one led to'),
    related: z
      .array(cloudEventForm)
      .describe('What else the same request or job did; 100 events at the most'),
  })
  .meta({ id: 'EventInContext' });

const maxRelated = 100;
/** Streams that are a day long hold what happened then, and no history of anything. */
const isOfDay = (stream: string): boolean => /\/\d{4}-\d\d-\d\d$/.test(stream);

/** One event, and those that it belongs with. */
export function oneEventRoute(
  api: FastifyInstance,
  ports: OneEventPorts,
  {
    known,
    eventOf,
  }: {
    readonly known: (request: FastifyRequest) => Promise<Asker>;
    readonly eventOf: (told: Told) => CloudEvent;
  },
): void {
  operation(
    api,
    {
      id: 'getEvent',
      tag: 'events',
      method: 'GET',
      path: '/events/:position',
      summary:
        'An event, what was there before, and what led to it and came of it, as far as the asker may know.',
      answer: shows(eventInContext),
    },
    async ({ request, path }) => {
      const { principal } = await known(request);
      const position = readPosition('position in path', path.position);
      const end = await ports.shownUpTo();
      const reader = eventReader(ports, principal);
      const found = await tellAt(reader, position);
      if (found === undefined) throw notFound(`event ${position} not found`);
      const [neighbours, related] = await Promise.all([
        neighboursOf(reader, found.event),
        relatedTo(reader, found.event, end),
      ]);
      const { previous, next } = neighbours;
      const { id, causationId } = found.event;
      const one = (told: Told | undefined) => (told === undefined ? null : eventOf(told));
      return {
        event: eventOf(found),
        before: before(found.event) ?? previous?.event.data ?? null,
        ...{ previous: one(previous), next: one(next) },
        cause: one(related.find((told) => told.event.id === causationId)),
        effects: related.filter((told) => told.event.causationId === id).map(eventOf),
        related: related.map(eventOf),
      };
    },
  );

  async function tellAt(reader: EventReader, position: bigint): Promise<Told | undefined> {
    const place = await ports.findEventAt(position);
    const [found] = place === undefined ? [] : await readEvents(ports, [place]);
    return found && tellTo(reader, found, everyEvent);
  }

  async function neighboursOf(reader: EventReader, { stream, revision, position }: PublicEvent) {
    if (isOfDay(stream)) return {};
    const { events } = await ports.log.readStream(stream, revision > 0n ? revision - 1n : 0n);
    const at = (wanted: bigint) =>
      events.find((each) => each.revision === wanted && each.position !== position);
    const tell = (neighbour: { readonly position: bigint } | undefined) =>
      neighbour && tellAt(reader, neighbour.position);
    const [previous, next] = await Promise.all([tell(at(revision - 1n)), tell(at(revision + 1n))]);
    return { previous, next };
  }

  async function relatedTo(reader: EventReader, { correlationId, position }: PublicEvent, end: bigint) {
    // Ids of older events were of the client's choice.
    if (correlationId === undefined || /[*\0]/.test(correlationId)) return [];
    const filter: EventFilter = new Map([['correlation', [correlationId]]]);
    const question = { after: 0n, before: endOfTime, filter, descending: false, limit: maxRelated };
    const { told } = await readPage(ports, reader, question, end);
    return told.filter((one) => one.event.position !== position);
  }
}

/** What the event itself says of before. */
function before({ type, data }: PublicEvent): Readonly<Record<string, unknown>> | undefined {
  switch (type) {
    case 'tag.assigned':
      return { digest: null };
    case 'tag.moved':
      return { digest: data.from };
    case 'tag.removed':
      return { digest: data.digest };
    case 'group.renamed':
      return { name: data.from };
    default:
      return undefined;
  }
}
