import type { Digest } from '../domain/digest.ts';
import { removingTag } from '../domain/tag/decider.ts';
import { type TagEvent, tagStream } from '../domain/tag/events.ts';
import type { LockedTags } from './locked-tags.ts';
import { type Decision, decision } from './record.ts';

export interface RemoveTags {
  readonly repository: string;
  /** Only while they point at this; without it, whatever they point at. */
  readonly digest?: Digest | undefined;
  readonly tags: readonly string[];
  /** Those that must not be deleted. */
  readonly locked: LockedTags;
}

/** Lets each of the tags point at nothing. @throws Refusal `tag-immutable`, when it is decided */
export const removeTags = ({
  repository,
  digest,
  tags,
  locked,
}: RemoveTags): readonly Decision<unknown, TagEvent>[] =>
  tags.map((tag) => {
    const stream = tagStream(repository, tag);
    const remove = { repository, tag, ...(digest !== undefined && { digest }) };
    return {
      stream,
      refresh: locked.refresh,
      decide: (history) =>
        decision(stream, removingTag, { ...remove, isImmutable: locked.has(tag) }).decide(history),
    };
  });

/** As `removeTags`, but those that must not be deleted are left as they are. */
export const removeUnlockedTags = (remove: RemoveTags): readonly Decision<unknown, TagEvent>[] =>
  removeTags(remove).map((removing, index) => ({
    ...removing,
    decide: (history) =>
      remove.locked.has(remove.tags[index] as string)
        ? { events: [], state: undefined }
        : removing.decide(history),
  }));
