import type { Metadata } from '../../domain/event.ts';
import { initialAdministrator, type Mention } from '../../domain/user/mentions.ts';
import { userOfPseudonym } from '../../domain/user/pseudonym.ts';
import type { Append, NewEvent } from '../event-log/port.ts';
import { actorPrefix, type Marker, mentionsIn, staysNamed, valueAt, withValueAt } from './marker.ts';
import type { NamedUser, UserNames } from './port.ts';

/** Comes before a user exists, and says his name. */
const heralds = new Set(['EmailReserved', 'UserCreated']);

export interface TakenOut {
  /** Those of each append, in its order. */
  readonly events: readonly (readonly NewEvent[])[];
  /** The users whom they create. */
  readonly created: readonly number[];
  readonly mentioned: { readonly reused: boolean };
}

/** The events of `appends` without the names of users, which are kept where they are not yet. */
export async function takeOut(appends: readonly Append[], names: UserNames): Promise<TakenOut> {
  const users: NamedUser[] = [];
  const created: number[] = [];
  const byName = new Set<string>();
  const ahead = appends.map(({ events }) => events.map(lookAhead));

  function lookAhead(event: NewEvent) {
    const actor = actorIn(event.metadata);
    if (actor !== undefined) byName.add(actor);
    const mentions = mentionsIn(event.type, event.data)?.flatMap(
      (mention) => mentioned(event, mention) ?? [],
    );
    return { event, actor, mentions };
  }

  function mentioned({ type, data }: NewEvent, { path, userId: idPath }: Mention) {
    const name = valueAt(data, path);
    if (typeof name !== 'string' || staysNamed(name)) return undefined;
    const userId = idPath && valueAt(data, idPath);
    if (typeof userId !== 'number' || userId === initialAdministrator.userId) {
      byName.add(name);
      return { path, name, userId: undefined };
    }
    if (userOfPseudonym(name) === undefined) users.push({ userId, name, exists: !heralds.has(type) });
    if (type === 'UserCreated') created.push(userId);
    return { path, name, userId };
  }

  const kept = users.length === 0 ? { reused: false } : await names.keep(users);
  const bearers = byName.size === 0 ? undefined : await names.bearersOf(byName);
  const known = created.length === 0 ? undefined : await names.of(created);

  function markerFor(name: string): Marker {
    const user = userOfPseudonym(name) ?? bearers?.get(name);
    return user === undefined ? { nobody: names.seal(name) } : { user };
  }
  function markerOf(type: string, userId: number): Marker {
    const sealed = type === 'UserCreated' ? known?.get(userId)?.sealed : undefined;
    return sealed ? { user: userId, sealed } : { user: userId };
  }

  // Events of one request share their metadata.
  const metadatas = new Map<Metadata, Metadata>();
  function withoutActor(metadata: Metadata, actor: string): Metadata {
    const written = metadatas.get(metadata);
    if (written !== undefined) return written;
    const nameless = { ...metadata, actor: markerFor(actor) } as unknown as Metadata;
    metadatas.set(metadata, nameless);
    return nameless;
  }

  const events = ahead.map((each) =>
    each.map(({ event, actor, mentions }) => {
      const metadata = actor === undefined ? event.metadata : withoutActor(event.metadata, actor);
      let { data } = event;
      for (const { path, name, userId } of mentions ?? [])
        data = withValueAt(data, path, userId === undefined ? markerFor(name) : markerOf(event.type, userId));
      return metadata === event.metadata && data === event.data ? event : { ...event, metadata, data };
    }),
  );
  return { events, created, mentioned: kept };
}

function actorIn({ actor }: Metadata): string | undefined {
  if (typeof actor !== 'string' || !actor.startsWith(actorPrefix)) return undefined;
  const name = actor.slice(actorPrefix.length);
  return staysNamed(name) ? undefined : name;
}
