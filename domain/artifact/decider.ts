import type { Decider } from '../decider.ts';
import type { ArtifactEvent, PushedManifest } from './events.ts';

export interface Artifact {
  /** Where the bytes of the manifest are; null while the manifest is not in the repository. */
  readonly key: string | null;
}

/** A manifest is pushed once; pushing the same bytes again changes nothing. */
export const artifactDecider: Decider<Artifact, PushedManifest, ArtifactEvent> = {
  initial: { key: null },
  decide: (artifact, manifest) => (artifact.key === null ? [{ type: 'ManifestPushed', data: manifest }] : []),
  evolve: (_, event) => ({ key: event.data.key }),
};
