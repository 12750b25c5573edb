import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { BlobEvent } from '../../domain/blob/events.ts';
import type { Digest } from '../../domain/digest.ts';
import type { CachedQuestion } from '../../infra/database/cached-question.ts';
import { blobs } from './projection.ts';

/** `findBlob`: by digest alone, since where the bytes are is the same for all repositories. */
export const blobQuestion: CachedQuestion<BlobEvent | ArtifactEvent, [repository: string, digest: Digest]> = {
  view: blobs,
  subjectOf: (_repository, digest) => digest,
  touchedBy(event) {
    switch (event.type) {
      case 'BlobStored':
      case 'BlobLinked':
      case 'BlobCondemned':
      case 'BlobReprieved':
      case 'BlobUnlinked':
      case 'BlobDeleted':
      case 'BlobDamaged':
        return [event.data.digest];
      // They say what needs a blob, and not whether it is there.
      case 'ManifestPushed':
      case 'ManifestDeleted':
      case 'ManifestCondemned':
      case 'ManifestReprieved':
      case 'ManifestDamaged':
      case 'LabelAttached':
      case 'LabelDetached':
        return [];
    }
  },
};
