import type { TagDeed } from '../domain/immutability/events.ts';
import type { TagLocks } from '../domain/immutability/locks.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Contents } from './contents.ts';
import { turns } from './turns.ts';

/** Those of the tags that rules keep from the deed, or from any. A name can take milliseconds with hostile rules. */
export async function lockedOf(
  locks: TagLocks,
  tags: readonly string[],
  deed?: TagDeed,
): Promise<ReadonlySet<string>> {
  const locked = new Set<string>();
  if (locks.isEmpty(deed)) return locked;
  const giveWay = turns();
  for (const tag of tags) {
    if (locks.forbid(tag, deed)) locked.add(tag);
    await giveWay();
  }
  return locked;
}

/** @throws Refusal `tag-immutable` for the first that must not be deleted. */
export async function requireDeletable(
  repository: string,
  tags: readonly string[],
  locks: TagLocks,
): Promise<void> {
  const [tag] = await lockedOf(locks, tags, 'delete');
  if (tag !== undefined) throw new Refusal({ kind: 'tag-immutable', repository, tag, deed: 'delete' });
}

/** What the rules keep tags from, for decisions about these: as they are before each attempt to record them. */
export interface LockedTags {
  refresh(): Promise<void>;
  /** As it was found last. */
  has(tag: string): boolean;
}

export function lockedTags(
  { tagLocks }: Pick<Contents, 'tagLocks'>,
  repository: string,
  tags: readonly string[],
  deed: TagDeed,
): LockedTags {
  let locked: ReadonlySet<string> = new Set(tags);
  return {
    async refresh() {
      locked = await lockedOf(await tagLocks(repository), tags, deed);
    },
    has: (tag) => locked.has(tag),
  };
}
