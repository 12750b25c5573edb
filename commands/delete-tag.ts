import type { Metadata } from '../domain/event.ts';
import { type RemoveTag, removingTag } from '../domain/tag/decider.ts';
import { tagStream } from '../domain/tag/events.ts';
import type { Contents } from './contents.ts';
import { decision, type Recorder } from './record.ts';

export type DeleteTag = Omit<RemoveTag, 'isImmutable'>;

/**
 * Lets a tag point at nothing; the manifest stays. Resolves to the log's position. @throws Refusal `tag-immutable`
 */
export const deleteTag =
  ({ record, contents }: { readonly record: Recorder; readonly contents: Pick<Contents, 'tagLocks'> }) =>
  async (at: DeleteTag, metadata: Metadata): Promise<bigint> => {
    const { repository, tag } = at;
    const isImmutable = (await contents.tagLocks(repository)).forbid(tag, 'delete');
    const { position } = await record(
      metadata,
      decision(tagStream(repository, tag), removingTag, { ...at, isImmutable }),
    );
    return position;
  };
