import type { AdditionPorts } from '../gateway/api/additions/additions.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { findManifest } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { findBlob } from '../projections/blobs/queries.ts';
import type { Current } from './api-parts.ts';

/** What the management API reads out of artifacts. */
export const additionParts = (
  store: Pick<BlobStore, 'open' | 'size'>,
  kysely: ViewDatabase,
  current: Current,
): AdditionPorts => ({
  store,
  findManifest: current(findManifest.bind(undefined, viewOf<ArtifactsDatabase>(kysely, artifacts))),
  findBlob: current(findBlob.bind(undefined, viewOf<BlobsDatabase>(kysely, blobs))),
});
