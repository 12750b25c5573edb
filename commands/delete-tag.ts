import type { Metadata } from '../domain/event.ts';
import type { RemoveTag } from '../domain/tag/decider.ts';
import type { Contents } from './contents.ts';
import { lockedTags } from './locked-tags.ts';
import type { Recorder } from './record.ts';
import { removeTags } from './remove-tags.ts';

export type DeleteTag = Omit<RemoveTag, 'isImmutable'>;

/**
 * Lets a tag point at nothing; the manifest stays. Resolves to the log's position. @throws Refusal `tag-immutable`
 */
export const deleteTag =
  ({ record, contents }: { readonly record: Recorder; readonly contents: Pick<Contents, 'tagLocks'> }) =>
  async ({ repository, tag, digest }: DeleteTag, metadata: Metadata): Promise<bigint> => {
    const tags = [tag];
    const locked = lockedTags(contents, repository, tags, 'delete');
    return (await record(metadata, ...removeTags({ repository, digest, tags, locked }))).position;
  };
