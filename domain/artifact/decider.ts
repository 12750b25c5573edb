import type { Decider } from '../decider.ts';
import type { Digest } from '../digest.ts';
import { Refusal } from '../refusal.ts';
import type { ArtifactEvent, PushedManifest } from './events.ts';
import { needsOf } from './manifest.ts';

/** A manifest in its repository; null while it is not there. */
export type Artifact = null | {
  readonly pushed: PushedManifest;
  /** The condemnation that it is under. */
  readonly condemnation: string | null;
  /** Whether its bytes are known to be wrong. */
  readonly damaged: boolean;
  /** Where the bytes were that the last push replaced, since they were damaged. */
  readonly surplus: string | null;
  /** The numbers of the labels that were attached to it; one that is deleted is not detached here. */
  readonly labels: ReadonlySet<number>;
};
type ArtifactDecider<Command> = Decider<Artifact, Command, ArtifactEvent>;

const artifact: Pick<ArtifactDecider<never>, 'initial' | 'evolve'> = {
  initial: null,
  evolve(before, event) {
    switch (event.type) {
      case 'ManifestPushed':
        return {
          pushed: event.data,
          condemnation: null,
          damaged: false,
          surplus: before?.pushed.key ?? null,
          labels: before?.labels ?? new Set(),
        };
      case 'ManifestDeleted':
        return null;
      case 'ManifestCondemned':
        return before && { ...before, condemnation: event.data.condemnation };
      case 'ManifestReprieved':
        return before && { ...before, condemnation: null };
      case 'ManifestDamaged':
        return before && { ...before, damaged: event.data.key === before.pushed.key };
      case 'LabelAttached':
        return before && { ...before, labels: before.labels.union(new Set([event.data.labelId])) };
      case 'LabelDetached':
        return before && { ...before, labels: before.labels.difference(new Set([event.data.labelId])) };
    }
  },
};

export interface ManifestAt {
  readonly repository: string;
  readonly digest: Digest;
}
export interface CondemnedManifest extends ManifestAt {
  readonly condemnation: string;
}
export interface RemovedManifest extends CondemnedManifest {
  /** Those that went with it, as far as they are to be told. */
  readonly tags?: readonly string[];
}

const reprieve = (before: Artifact, { repository, digest }: ManifestAt): ArtifactEvent[] =>
  before === null || before.condemnation === null
    ? []
    : [{ type: 'ManifestReprieved', data: { repository, digest } }];

/**
 * A manifest is pushed once; pushing the same bytes again changes nothing, but that they stay. Damaged ones are
 * replaced by them.
 */
export const pushing: ArtifactDecider<PushedManifest> = {
  ...artifact,
  decide: (before, manifest) =>
    before === null || before.damaged
      ? [{ type: 'ManifestPushed', data: manifest }]
      : reprieve(before, manifest),
};

export const reprievingManifest: ArtifactDecider<ManifestAt> = { ...artifact, decide: reprieve };

/** The first of two phases of a removal. */
export const condemningManifest: ArtifactDecider<CondemnedManifest> = {
  ...artifact,
  decide: (before, data) =>
    before === null || before.condemnation !== null ? [] : [{ type: 'ManifestCondemned', data }],
};

/** The second phase: only what still is under the same condemnation goes. */
export const removingManifest: ArtifactDecider<RemovedManifest> = {
  ...artifact,
  decide: (before, { condemnation, tags = [] }) =>
    before === null || before.condemnation !== condemnation ? [] : [deleted(before.pushed, tags)],
};

/**
 * The same for who must not take the tags from one that stays after all. @throws Refusal `artifact-changed` where somebody
 * has kept it since it was condemned
 */
export const removingUnchanged: ArtifactDecider<RemovedManifest> = {
  ...artifact,
  decide(before, at) {
    const { repository, digest, condemnation } = at;
    if (before !== null && before.condemnation !== condemnation)
      throw new Refusal({ kind: 'artifact-changed', repository, digest });
    return removingManifest.decide(before, at);
  },
};

export interface DamagedManifest extends ManifestAt {
  readonly key: string;
  readonly fault: string;
}

/** A verdict on bytes that do not count any more says nothing. */
export const damagingManifest: ArtifactDecider<DamagedManifest> = {
  ...artifact,
  decide: (before, data) =>
    before === null || before.damaged || before.pushed.key !== data.key
      ? []
      : [{ type: 'ManifestDamaged', data }],
};

export interface LabelledManifest extends ManifestAt {
  readonly labelId: number;
}

/**
 * Also to one that is condemned: it can be pulled and is listed until it goes. A label keeps nothing, so that it goes
 * with it.
 */
export const attachingLabel: ArtifactDecider<LabelledManifest> = {
  ...artifact,
  decide(before, data) {
    const { repository, digest, labelId } = data;
    if (before === null) throw new Refusal({ kind: 'artifact-unknown', repository, digest });
    if (before.labels.has(labelId)) throw new Refusal({ kind: 'label-attached', labelId });
    return [{ type: 'LabelAttached', data }];
  },
};

export const detachingLabel: ArtifactDecider<LabelledManifest> = {
  ...artifact,
  decide(before, data) {
    const { repository, digest, labelId } = data;
    if (before === null) throw new Refusal({ kind: 'artifact-unknown', repository, digest });
    if (!before.labels.has(labelId)) throw new Refusal({ kind: 'label-not-attached', labelId });
    return [{ type: 'LabelDetached', data }];
  },
};

function deleted(pushed: PushedManifest, tags: readonly string[]): ArtifactEvent {
  const { repository, digest, mediaType, size, key, subject } = pushed;
  return {
    type: 'ManifestDeleted',
    data: {
      repository,
      digest,
      mediaType,
      size,
      key,
      ...(subject !== undefined && { subject: subject.digest }),
      ...needsOf(pushed),
      ...(tags.length > 0 && { tags: [...tags] }),
    },
  };
}
