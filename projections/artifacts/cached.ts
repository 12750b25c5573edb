import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { Digest } from '../../domain/digest.ts';
import type { TagEvent } from '../../domain/tag/events.ts';
import type { CachedQuestion } from '../../infra/database/cached-question.ts';
import { artifacts } from './projection.ts';

const manifestOf = (repository: string, digest: Digest): string => `${repository}@${digest}`;

/** `findManifest` */
export const manifestQuestion: CachedQuestion<
  ArtifactEvent | TagEvent,
  [repository: string, digest: Digest]
> = {
  view: artifacts,
  subjectOf: manifestOf,
  touchedBy(event) {
    switch (event.type) {
      case 'ManifestPushed':
      case 'ManifestDeleted':
      case 'ManifestCondemned':
      case 'ManifestReprieved':
      case 'ManifestDamaged':
        return [manifestOf(event.data.repository, event.data.digest)];
      // They say since when nothing needs a manifest, or what it is labelled with, and not whether it is there.
      case 'TagAssigned':
      case 'TagMoved':
      case 'TagRemoved':
      case 'LabelAttached':
      case 'LabelDetached':
        return [];
    }
  },
};
