import type { ManifestAt } from '../domain/artifact/decider.ts';
import type { Metadata } from '../domain/event.ts';
import { removingTag } from '../domain/tag/decider.ts';
import { tagStream } from '../domain/tag/events.ts';
import { RevisionConflict } from '../infra/event-log/port.ts';
import { assignTags } from './assign-tags.ts';
import { lockedTags } from './locked-tags.ts';
import { decision } from './record.ts';
import { keepManifest } from './references.ts';
import type { RemovalPorts } from './remove-unneeded.ts';

export interface CreateTag extends ManifestAt {
  readonly tag: string;
}

/** How often it begins again because the manifest went, and came back. */
const maxAttempts = 5;

/**
 * Points a new tag at a manifest. Resolves to whether the manifest is there to be pointed at.
 * @throws Refusal `tag-condition-failed` where the repository has the tag.
 */
export const createTag =
  ({ record, contents }: Pick<RemovalPorts, 'record' | 'contents'>) =>
  async ({ tag, ...at }: CreateTag, metadata: Metadata): Promise<boolean> => {
    const ports = { record, contents };
    const stream = tagStream(at.repository, tag);
    const tags = [tag];
    const locked = lockedTags(contents, at.repository, tags, 'move');
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      if (!(await keepManifest(ports, at, metadata))) return false;
      const assigned = assignTags({ ...at, tags, condition: { kind: 'absent' }, locked });
      await contents.reached((await record(metadata, ...assigned)).position);
      // A deletion that came first has not seen the tag; see `pushManifest`.
      if (await keepManifest(ports, at, metadata)) return true;
      // It points at nothing that is there, so that no rule has anything to keep. If somebody pushes the manifest just
      // now, he finds the tag set already, and it is set for him again.
      const removing = decision(stream, removingTag, { ...at, tag, isImmutable: false });
      await contents.reached((await record(metadata, removing)).position);
    }
    throw new RevisionConflict(stream, 'any');
  };
