import type { ArtifactContentPorts } from '../gateway/api/ports.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { findManifest } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { findBlob } from '../projections/blobs/queries.ts';
import { type TagsDatabase, tags } from '../projections/tags/projection.ts';
import { findTag } from '../projections/tags/queries.ts';
import type { Current } from './api-parts.ts';

/** How the management API finds an artifact, and what it reads out of it. */
export const artifactContentParts = (
  store: Pick<BlobStore, 'open' | 'size'>,
  kysely: ViewDatabase,
  current: Current,
): ArtifactContentPorts => ({
  store,
  findTag: current(findTag.bind(undefined, viewOf<TagsDatabase>(kysely, tags))),
  findManifest: current(findManifest.bind(undefined, viewOf<ArtifactsDatabase>(kysely, artifacts))),
  findBlob: current(findBlob.bind(undefined, viewOf<BlobsDatabase>(kysely, blobs))),
});
