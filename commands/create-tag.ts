import type { ManifestAt } from '../domain/artifact/decider.ts';
import type { Metadata } from '../domain/event.ts';
import { assigning, removingTag } from '../domain/tag/decider.ts';
import { tagStream } from '../domain/tag/events.ts';
import { decision } from './record.ts';
import { keepManifest } from './references.ts';
import type { RemovalPorts } from './remove-unneeded.ts';

export interface CreateTag extends ManifestAt {
  readonly tag: string;
}

/**
 * Points a new tag at a manifest. Resolves to whether the manifest is there to be pointed at.
 * @throws Refusal `tag-condition-failed` where the repository has the tag.
 */
export const createTag =
  ({ record, contents }: Pick<RemovalPorts, 'record' | 'contents'>) =>
  async ({ tag, ...at }: CreateTag, metadata: Metadata): Promise<boolean> => {
    const ports = { record, contents };
    if (!(await keepManifest(ports, at, metadata))) return false;
    const stream = tagStream(at.repository, tag);
    const locks = await contents.tagLocks(at.repository);
    const isImmutable = locks.forbid(tag, 'move');
    const command = { ...at, tag, condition: { kind: 'absent' }, isImmutable } as const;
    await contents.reached((await record(metadata, decision(stream, assigning, command))).position);
    // A deletion that came first has not seen the tag; see `pushManifest`.
    if (await keepManifest(ports, at, metadata)) return true;
    // It points at nothing that is there, so that no rule has anything to keep.
    const taken = await record(metadata, decision(stream, removingTag, { ...at, tag, isImmutable: false }));
    await contents.reached(taken.position);
    return false;
  };
