import type { FastifyBaseLogger } from 'fastify';
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
import { findManifest, manifestSizes } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { blobSizes, findBlob } from '../projections/blobs/queries.ts';
import { type ProjectsDatabase, projects } from '../projections/projects/projection.ts';
import { findProject } from '../projections/projects/queries.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import { repositoryExists } from '../projections/repositories/queries.ts';
import { type TagsDatabase, tags } from '../projections/tags/projection.ts';
import { findTag, listTags } from '../projections/tags/queries.ts';
import { type UsersDatabase, users } from '../projections/users/projection.ts';
import { findLoginUser } from '../projections/users/queries.ts';
import type { EdgePorts } from './edge-ports.ts';

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
}: Engines): Omit<AppPorts, 'metrics' | keyof EdgePorts> {
  const { kysely } = database;
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  const inProjects = viewOf<ProjectsDatabase>(kysely, projects);
  const inRepositories = viewOf<RepositoriesDatabase>(kysely, repositories);
  const inTags = viewOf<TagsDatabase>(kysely, tags);
  const inUsers = viewOf<UsersDatabase>(kysely, users);

  /** Lets no answer through that the views gave, or may have given, while they were behind what they had shown. */
  const current =
    <Args extends unknown[], Result>(query: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      views.requireCurrent();
      const result = await query(...args);
      views.requireCurrent();
      return result;
    };

  const contents = {
    blobSizes: current(blobSizes.bind(undefined, inBlobs)),
    manifestSizes: current(manifestSizes.bind(undefined, inArtifacts)),
  };
  const storing = storeBlob({ record, store });
  const pushing = pushManifest({ record, store, contents });

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
    repositoryExists: current(repositoryExists.bind(undefined, inRepositories)),

    storeBlob: (blob, metadata) => inSpan('store-blob', {}, () => storing(blob, metadata)),
    pushManifest: (push, metadata) => inSpan('push-manifest', {}, () => pushing(push, metadata)),

    blobsReached: (position) => views.reached(position, [blobs]),
    manifestsReached: (position) => views.reached(position, [artifacts, repositories, tags]),
  };
}
