import { type DamagedManifest, damagingManifest } from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import { type DamagedBlob, damaging } from '../domain/blob/decider.ts';
import { blobStream } from '../domain/blob/events.ts';
import type { Metadata } from '../domain/event.ts';
import type { Contents } from './contents.ts';
import { decision, type Recorder } from './record.ts';

/**
 * Records that stored bytes are wrong; from then on they are not served, and the next push of them stores new ones.
 * Each resolves to whether these bytes counted: what was deleted or replaced while it was looked at is not damaged.
 */
export function reportDamage({
  record,
  contents,
}: {
  readonly record: Recorder;
  readonly contents: Pick<Contents, 'reached'>;
}) {
  return {
    async ofBlob({ digest, key, fault }: DamagedBlob, metadata: Metadata): Promise<boolean> {
      const damaged = decision(blobStream(digest), damaging, { digest, key, fault });
      const { position, states } = await record(metadata, damaged);
      await contents.reached(position);
      return states[0].key === key && states[0].damaged;
    },

    async ofManifest(manifest: DamagedManifest, metadata: Metadata): Promise<boolean> {
      const { repository, digest, key, fault } = manifest;
      const damaged = decision(artifactStream(repository, digest), damagingManifest, {
        repository,
        digest,
        key,
        fault,
      });
      const { position, states } = await record(metadata, damaged);
      await contents.reached(position);
      return states[0]?.pushed.key === key && states[0].damaged;
    },
  };
}
