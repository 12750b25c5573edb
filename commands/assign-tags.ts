import type { Digest } from '../domain/digest.ts';
import { assigning, type TagCondition } from '../domain/tag/decider.ts';
import { tagStream } from '../domain/tag/events.ts';
import type { LockedTags } from './locked-tags.ts';
import { type Decision, decision } from './record.ts';

export interface AssignTags {
  readonly repository: string;
  readonly digest: Digest;
  readonly tags: readonly string[];
  /** Those that must not be moved. */
  readonly locked: LockedTags;
  /** What must be true of each tag before it moves. */
  readonly condition?: TagCondition | undefined;
}

/**
 * Points each of the tags at a manifest. The decisions may be recorded several times over: what an attempt has set must
 * not stop the next one, which may come after a conflict on another tag, or because the manifest has gone. Where it is
 * no more, the condition counts again, since somebody else may have set the tag since.
 */
export function assignTags({
  repository,
  digest,
  tags,
  locked,
  condition,
}: AssignTags): readonly Decision<Digest | null>[] {
  const own = new Set<string>();
  return tags.map((tag) => {
    const stream = tagStream(repository, tag);
    return {
      stream,
      refresh: locked.refresh,
      decide(history) {
        const assign = { repository, tag, digest, isImmutable: locked.has(tag) };
        const last = history.at(-1);
        const isMet = condition === undefined || (last !== undefined && own.has(last.id));
        return decision(stream, assigning, { ...assign, ...(!isMet && { condition }) }).decide(history);
      },
      appending: (events) => {
        for (const { id } of events) own.add(id);
      },
    };
  });
}
