import type { z } from 'zod';
import { type AnyEvent, catalogue } from '../catalogue.ts';
import type { RecordedEvent } from '../event.ts';
import { projectOf } from '../repository.ts';
import { withoutUndefined } from '../without-undefined.ts';
import type { ProjectNames } from './project-names.ts';
import type { Need, Private, Publication, Result } from './publication.ts';
import { published } from './published.ts';

export const actorKinds = ['user', 'robot', 'anonymous', 'system'] as const;

export interface Actor {
  readonly kind: (typeof actorKinds)[number];
  /** Without a prefix; empty for nobody in particular. */
  readonly name: string;
}

/** What the outside is told of an event. */
export interface PublicEvent {
  /** The id of the event in the log; a UUIDv7. */
  readonly id: string;
  readonly position: bigint;
  readonly stream: string;
  readonly revision: bigint;
  /** Such as `tag.moved`. */
  readonly type: string;
  readonly time: Date;
  /** The name that the project has at this time. */
  readonly project?: string;
  /** Tells the project from others that have had the name. */
  readonly projectId?: number;
  readonly repository?: string;
  readonly tag?: string;
  readonly digest?: string;
  /** The name of what it is about. */
  readonly subject?: string;
  /** Absent for who may not know. */
  readonly actor?: Actor;
  readonly result: Result;
  /** The number of the access token by which a user did it. */
  readonly accessToken?: number;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly requestId?: string;
  readonly reason?: string;
  readonly clientIp?: string;
  readonly userAgent?: string;
  readonly operation?: string;
  readonly need: Need;
  readonly data: Readonly<Record<string, unknown>>;
}

/** One type of event as the outside knows it. */
export interface PublicType {
  readonly type: string;
  readonly need: Need;
  readonly description: string;
  readonly schema: z.ZodObject;
}

type AnyPublication = Publication<Readonly<Record<string, unknown>>>;

interface Entry {
  readonly publication: AnyPublication;
  readonly public: PublicType;
}

/** By the type in the log. */
const entries: ReadonlyMap<string, Entry> = new Map(
  Object.entries(published as Readonly<Record<string, AnyPublication | Private>>).flatMap(
    ([internal, publication]): [string, Entry][] => {
      if ('private' in publication) return [];
      const { type, need, fields, more } = publication;
      const { schema, description } = catalogue.get(internal) as { schema: z.ZodType; description: string };
      const picked = (schema as z.ZodObject<z.ZodRawShape>).pick(
        Object.fromEntries(fields.map((field) => [field, true])),
      );
      return [
        [
          internal,
          { publication, public: { type, need, description, schema: picked.extend(more?.shape ?? {}) } },
        ],
      ];
    },
  ),
);

/** All types, in the order of their names. */
export const publicTypes: readonly PublicType[] = [...entries.values()]
  .map((entry) => entry.public)
  .toSorted((one, other) => (one.type < other.type ? -1 : 1));

/** The types of the log that the outside is told of. */
export const publishedTypes = [...entries.keys()] as readonly AnyEvent['type'][];

/**
 * What the outside is told of `event`, which is in the current version of its type; undefined for what stays inside. Of the
 * data only what is published, whatever else the event holds.
 */
export function publicEventOf(event: RecordedEvent, names: ProjectNames): PublicEvent | undefined {
  const entry = entries.get(event.type);
  if (entry === undefined) return undefined;
  const { publication } = entry;
  const data = event.data as Readonly<Record<string, unknown>>;
  const told = { ...pick(data, publication.fields), ...publication.more?.of(data) };
  const place = placeOf(data, publication, names);
  const { actor, accessToken, correlationId, causationId, requestId } = event.metadata;
  const { reason, clientIp, userAgent, operation } = event.metadata;
  return withoutUndefined({
    ...{ id: event.id, position: event.position, stream: event.stream, revision: event.revision },
    ...{ type: publication.type, time: event.recordedAt, ...place },
    subject: publication.subject?.(data) ?? subjectOf(place),
    ...{ actor: actorIn(actor), result: publication.result?.(data) ?? 'done' },
    ...{ accessToken, correlationId, causationId, requestId, reason, clientIp, userAgent, operation },
    need: publication.need === 'log' && place.projectId === undefined ? 'system' : publication.need,
    data: told,
  });
}

interface Place {
  readonly project?: string | undefined;
  readonly projectId?: number | undefined;
  readonly repository?: string | undefined;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

function placeOf(
  data: Readonly<Record<string, unknown>>,
  { fields, place }: AnyPublication,
  names: ProjectNames,
): Place {
  const text = (field: string) =>
    fields.includes(field) && typeof data[field] === 'string' ? data[field] : undefined;
  const repository = text('repository');
  const project =
    place?.(data).project ??
    text('project') ??
    (repository === undefined ? undefined : projectOf(repository));
  const { projectId } = data;
  return {
    project,
    // Whose number an event does not say and nobody knows is told to who may read the log of the system alone.
    projectId:
      typeof projectId === 'number' ? projectId : project === undefined ? undefined : names.idOf(project),
    ...{ repository, tag: text('tag'), digest: text('digest') },
  };
}

/** What a client would pull, or else the project. */
function subjectOf({ project, repository, tag, digest }: Place): string | undefined {
  if (repository === undefined) return project;
  if (tag !== undefined) return `${repository}:${tag}`;
  return digest === undefined ? repository : `${repository}@${digest}`;
}

export function actorIn(actor: string): Actor {
  if (actor === 'system' || actor === 'anonymous') return { kind: actor, name: '' };
  const colon = actor.indexOf(':');
  return { kind: actor.slice(0, colon) === 'robot' ? 'robot' : 'user', name: actor.slice(colon + 1) };
}

const pick = (data: Readonly<Record<string, unknown>>, fields: readonly string[]) =>
  Object.fromEntries(
    fields.filter((field) => data[field] !== undefined).map((field) => [field, data[field]]),
  );
