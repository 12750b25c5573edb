import type { Metadata, RecordedEvent } from '../../domain/event.ts';
import { initialAdministrator, type Mention } from '../../domain/user/mentions.ts';
import { pseudonymOf, userOfPseudonym } from '../../domain/user/pseudonym.ts';
import {
  actorPrefix,
  mentionsIn,
  nobodyMarked,
  staysNamed,
  userMarked,
  valueAt,
  withValueAt,
} from './marker.ts';
import type { KnownName, NamedUser, UserNames } from './port.ts';
import { isHashedStream, userStreamOf } from './stream-names.ts';

/** The events as they were before `takeOut`, but for the names of users who were erased. */
export async function fillIn(
  events: readonly RecordedEvent[],
  names: UserNames,
): Promise<readonly RecordedEvent[]> {
  if (events.length === 0) return events;
  // After the events were read: what was erased before that must not be filled in.
  await names.refresh();
  const userIds = new Set<number>();
  const created: number[] = [];
  const unknown: NamedUser[] = [];
  const mentions = events.map(look);
  function look(event: RecordedEvent): readonly Mention[] | undefined {
    const actor = userMarked(event.metadata.actor);
    if (actor !== undefined) userIds.add(actor);
    const mentions = mentionsIn(event.type, event.data);
    for (const { path, userId: idPath } of mentions ?? []) {
      const value = valueAt(event.data, path);
      const marked = userMarked(value);
      if (marked !== undefined) {
        userIds.add(marked);
        if (event.type === 'UserCreated') created.push(marked);
      } else if (typeof value === 'string' && idPath !== undefined) {
        const userId = valueAt(event.data, idPath);
        if (typeof userId === 'number') userIds.add(userId);
        if (event.type === 'UserCreated') note(userId, value);
      }
    }
    const { userId } = event.data as { userId?: unknown };
    if (isHashedStream(event.stream) && typeof userId === 'number') userIds.add(userId);
    return mentions;
  }
  /** Who was created before names were kept. */
  function note(userId: unknown, name: string): void {
    if (typeof userId !== 'number' || userId === initialAdministrator.userId) return;
    if (!Number.isInteger(userId) || userId < 1 || userId > 2 ** 31 - 1) return;
    if (!staysNamed(name) && userOfPseudonym(name) === undefined)
      unknown.push({ userId, name, exists: true });
  }

  if (unknown.length > 0) await names.keep(unknown);
  let known = userIds.size === 0 ? nothing : await names.of(userIds);
  const unsure = created.filter((userId) => known.get(userId)?.exists === false);
  if (unsure.length > 0) {
    await names.confirm(unsure);
    known = await names.of(userIds);
  }

  const nameOf = (userId: number): string => known.get(userId)?.name ?? pseudonymOf(userId);

  /** Undefined where it is to stay as it is. */
  function filled(value: unknown, userId: unknown): string | undefined {
    const marked = userMarked(value);
    if (marked !== undefined) return nameOf(marked);
    const nobody = nobodyMarked(value);
    if (nobody !== undefined) {
      const name = names.open(nobody);
      return afterErasure(name) ?? name;
    }
    if (typeof value !== 'string') return undefined;
    if (typeof userId === 'number') return known.get(userId)?.name === null ? pseudonymOf(userId) : undefined;
    return afterErasure(value);
  }
  function afterErasure(name: string): string | undefined {
    if (!names.hasErased() || staysNamed(name)) return undefined;
    const erased = names.erasedBearerOf(names.keyOf(name));
    return erased === undefined ? undefined : pseudonymOf(erased);
  }

  function withActor(metadata: Metadata): Metadata {
    const { actor } = metadata as { actor: unknown };
    if (typeof actor !== 'string') {
      const name = filled(actor, undefined);
      return name === undefined ? metadata : { ...metadata, actor: actorPrefix + name };
    }
    if (!names.hasErased() || !actor.startsWith(actorPrefix)) return metadata;
    const name = afterErasure(actor.slice(actorPrefix.length));
    return name === undefined ? metadata : { ...metadata, actor: actorPrefix + name };
  }

  return events.map((event, index) => {
    const metadata = withActor(event.metadata);
    let { data } = event;
    for (const { path, userId: idPath } of mentions[index] ?? []) {
      const name = filled(valueAt(data, path), idPath && valueAt(data, idPath));
      if (name !== undefined) data = withValueAt(data, path, name);
    }
    const stream = streamOf(event);
    return metadata === event.metadata && data === event.data && stream === event.stream
      ? event
      : { ...event, metadata, data, stream };
  });

  function streamOf({ stream, data }: RecordedEvent): string {
    if (!isHashedStream(stream)) return stream;
    const { userId } = data as { userId?: unknown };
    return typeof userId === 'number' ? userStreamOf(nameOf(userId)) : stream;
  }
}

const nothing: ReadonlyMap<number, KnownName> = new Map();
