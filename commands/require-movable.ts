import type { ManifestAt } from '../domain/artifact/decider.ts';
import type { TagLocks } from '../domain/immutability/locks.ts';
import { assigning } from '../domain/tag/decider.ts';
import type { Contents } from './contents.ts';
import { lockedOf } from './locked-tags.ts';

/**
 * Refuses early what would be refused when the tags are pointed at the manifest, so that nothing is left of it.
 * @throws Refusal `tag-immutable`
 */
export async function requireMovable(
  { digestsOf }: Pick<Contents, 'digestsOf'>,
  { repository, digest }: ManifestAt,
  tags: readonly string[],
  locks: TagLocks,
): Promise<void> {
  const locked = [...(await lockedOf(locks, tags, 'move'))];
  if (locked.length === 0) return;
  const digests = await digestsOf(repository, locked);
  for (const tag of locked)
    assigning.decide(digests.get(tag) ?? null, { repository, tag, digest, isImmutable: true });
}
