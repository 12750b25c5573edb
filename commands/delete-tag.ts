import type { Metadata } from '../domain/event.ts';
import { type RemoveTag, removingTag } from '../domain/tag/decider.ts';
import { tagStream } from '../domain/tag/events.ts';
import { decision, type Recorder } from './record.ts';

/** Lets a tag point at nothing; the manifest stays. Resolves to the log's position. */
export const deleteTag =
  ({ record }: { readonly record: Recorder }) =>
  async (tag: RemoveTag, metadata: Metadata): Promise<bigint> => {
    const { position } = await record(
      metadata,
      decision(tagStream(tag.repository, tag.tag), removingTag, tag),
    );
    return position;
  };
