import { catalogue } from '../domain/catalogue.ts';
import { eventHead } from '../gateway/events/event-head.ts';
import type { EventPorts } from '../gateway/events/event-routes.ts';
import { streamPlaces } from '../gateway/events/stream-places.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { accessTokens } from '../projections/access-tokens/projection.ts';
import { members } from '../projections/members/projection.ts';
import { projects } from '../projections/projects/projection.ts';
import { type PublicEventsDatabase, publicEvents } from '../projections/public-events/projection.ts';
import {
  countEvents,
  findEventAt,
  findEvents,
  positionAt,
  projectNumbersAt,
} from '../projections/public-events/queries.ts';
import { robots } from '../projections/robots/projection.ts';
import { userGroups } from '../projections/user-groups/projection.ts';
import { users } from '../projections/users/projection.ts';
import type { Current } from './api-parts.ts';

export interface EventEngines {
  readonly log: EventLog;
  readonly views: Pick<Views, 'reached'>;
  readonly kysely: ViewDatabase;
  readonly current: Current;
  onFailure(error: unknown): void;
}

export type EventSettings = Configuration['events'] & {
  /** The address of the registry. */
  readonly source: string;
};

/** Who may what. */
const rights = [accessTokens, members, projects, robots, userGroups, users];

/** What the routes of events ask for; `head` is to be stopped ahead of the listeners, whose streams it ends. */
export function eventParts(
  { log, views, kysely, current, onFailure }: EventEngines,
  { source, heartbeat_seconds, max_streams, max_streams_per_account }: EventSettings,
): EventPorts {
  const inEvents = viewOf<PublicEventsDatabase>(kysely, publicEvents);
  const head = eventHead({
    ...{ log, catalogue, onFailure },
    async projectNumbersAt(position) {
      await views.reached(position, [publicEvents]);
      return projectNumbersAt(inEvents, position);
    },
    rightsReached: (position) => views.reached(position, rights),
  });
  return {
    ...{ log, catalogue, head, source, heartbeatMs: heartbeat_seconds * 1000 },
    takePlace: streamPlaces({
      maxStreams: max_streams,
      maxStreamsPerAccount: max_streams_per_account,
    }),
    findEvents: current(findEvents.bind(undefined, inEvents)),
    findEventAt: current(findEventAt.bind(undefined, inEvents)),
    positionAt: current(positionAt.bind(undefined, inEvents)),
    countEvents: current(countEvents.bind(undefined, inEvents)),
    async shownUpTo() {
      const position = await log.head();
      await views.reached(position, [publicEvents, ...rights]);
      return position;
    },
  };
}
