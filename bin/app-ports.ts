import { randomUUID } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import { deleteBlob } from '../commands/delete-blob.ts';
import { deleteManifest } from '../commands/delete-manifest.ts';
import { deleteTag } from '../commands/delete-tag.ts';
import { pushManifest } from '../commands/push-manifest.ts';
import type { Recorder } from '../commands/record.ts';
import { storeBlob } from '../commands/store-blob.ts';
import type { AppPorts } from '../gateway/app.ts';
import { authenticator } from '../gateway/auth/authenticate.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Database } from '../infra/database/connect.ts';
import { isOutage } from '../infra/database/outage.ts';
import { isBeingBuilt, viewOf } from '../infra/database/projection.ts';
import { passwordMatches } from '../infra/password-hash/argon2.ts';
import { currentTraceparent, inSpan } from '../infra/telemetry/tracing.ts';
import type { Views } from '../infra/views/port.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { findManifest } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { findBlob } from '../projections/blobs/queries.ts';
import { type ProjectsDatabase, projects } from '../projections/projects/projection.ts';
import { findProject } from '../projections/projects/queries.ts';
import { type ReferrersDatabase, referrers } from '../projections/referrers/projection.ts';
import { listReferrers } from '../projections/referrers/queries.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import { repositoryExists } from '../projections/repositories/queries.ts';
import { type TagsDatabase, tags } from '../projections/tags/projection.ts';
import { findTag, listTags } from '../projections/tags/queries.ts';
import { type UsersDatabase, users } from '../projections/users/projection.ts';
import { findLoginUser } from '../projections/users/queries.ts';
import { contentsOf, currentIn } from './contents.ts';

export interface Engines {
  readonly logger: FastifyBaseLogger;
  readonly record: Recorder;
  readonly store: BlobStore;
  readonly database: Database;
  readonly views: Views;
  isReady(): boolean;
}

/** Everything that the gateway asks for: commands, queries and the waits between them. */
export function appPorts({
  logger,
  record,
  store,
  database,
  views,
  isReady,
}: Engines): Omit<AppPorts, 'metrics'> {
  const { kysely } = database;
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  const inProjects = viewOf<ProjectsDatabase>(kysely, projects);
  const inReferrers = viewOf<ReferrersDatabase>(kysely, referrers);
  const inRepositories = viewOf<RepositoriesDatabase>(kysely, repositories);
  const inTags = viewOf<TagsDatabase>(kysely, tags);
  const inUsers = viewOf<UsersDatabase>(kysely, users);

  const current = currentIn(views);
  const contents = contentsOf({ database, views });
  const changing = { record, store, contents, newCondemnation: randomUUID };
  const storing = storeBlob(changing);
  const pushing = pushManifest(changing);
  const deletingBlob = deleteBlob(changing);
  const deletingManifest = deleteManifest(changing);
  const deletingTag = deleteTag(changing);

  return {
    logger,
    store,
    isReady,
    isOutage: (error) => isOutage(error) || isBeingBuilt(error),
    currentTraceparent,
    authenticate: authenticator({
      findAccount: current(findLoginUser.bind(undefined, inUsers)),
      passwordMatches,
    }),

    findProject: current(findProject.bind(undefined, inProjects)),
    // Nobody can be made a member of a project yet.
    rolesOf: async () => [],
    findBlob: current(findBlob.bind(undefined, inBlobs)),
    findManifest: current(findManifest.bind(undefined, inArtifacts)),
    findTag: current(findTag.bind(undefined, inTags)),
    listTags: current(listTags.bind(undefined, inTags)),
    listReferrers: current(listReferrers.bind(undefined, inReferrers)),
    repositoryExists: current(repositoryExists.bind(undefined, inRepositories)),

    storeBlob: (blob, metadata) => inSpan('store-blob', {}, () => storing(blob, metadata)),
    pushManifest: (push, metadata) => inSpan('push-manifest', {}, () => pushing(push, metadata)),
    deleteBlob: (at, metadata) => inSpan('delete-blob', {}, () => deletingBlob(at, metadata)),
    deleteManifest: (at, metadata) => inSpan('delete-manifest', {}, () => deletingManifest(at, metadata)),
    deleteTag: (tag, metadata) => inSpan('delete-tag', {}, () => deletingTag(tag, metadata)),

    blobsReached: (position) => views.reached(position, [blobs]),
    manifestsReached: contents.reached,
  };
}
