import { randomUUID } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { Contents } from '../commands/contents.ts';
import { deleteBlob } from '../commands/delete-blob.ts';
import { deleteManifest } from '../commands/delete-manifest.ts';
import { deleteTag } from '../commands/delete-tag.ts';
import { pushManifest } from '../commands/push-manifest.ts';
import { storeBlob } from '../commands/store-blob.ts';
import type { AppPorts } from '../gateway/app.ts';
import { authenticator } from '../gateway/auth/authenticate.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Database } from '../infra/database/connect.ts';
import { isOutage } from '../infra/database/outage.ts';
import { isBeingBuilt, viewOf } from '../infra/database/projection.ts';
import { passwordMatches } from '../infra/password-hash/argon2.ts';
import { currentTraceparent, inSpan } from '../infra/telemetry/tracing.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { findManifest, findManifests, findParent } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { findBlob, findBlobs, isNeeded } from '../projections/blobs/queries.ts';
import { type MembersDatabase, members } from '../projections/members/projection.ts';
import { rolesOf } from '../projections/members/queries.ts';
import { type ProjectsDatabase, projects } from '../projections/projects/projection.ts';
import { findProject } from '../projections/projects/queries.ts';
import { type ReferrersDatabase, referrers } from '../projections/referrers/projection.ts';
import { listReferrers } from '../projections/referrers/queries.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import { repositoryExists } from '../projections/repositories/queries.ts';
import { type TagsDatabase, tags } from '../projections/tags/projection.ts';
import { findTag, listTags, tagsOf } from '../projections/tags/queries.ts';
import { type UsersDatabase, users } from '../projections/users/projection.ts';
import { findLoginUser } from '../projections/users/queries.ts';
import { type ApiEngines, apiParts } from './api-parts.ts';

export interface Engines extends ApiEngines {
  readonly logger: FastifyBaseLogger;
  readonly store: BlobStore;
  readonly database: Database;
  isReady(): boolean;
}

/** Everything that the gateway asks for: commands, queries and the waits between them. */
export function appPorts({
  logger,
  log,
  record,
  store,
  secrets,
  personalData,
  database,
  views,
  isReady,
}: Engines): Omit<AppPorts, 'metrics'> {
  const { kysely } = database;
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  const inMembers = viewOf<MembersDatabase>(kysely, members);
  const inProjects = viewOf<ProjectsDatabase>(kysely, projects);
  const inReferrers = viewOf<ReferrersDatabase>(kysely, referrers);
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

  const rolesInProject = current(rolesOf.bind(undefined, inMembers));
  const contentViews = [artifacts, blobs, referrers, repositories, tags];
  const contents: Contents = {
    blobs: current(findBlobs.bind(undefined, inBlobs)),
    manifests: current(findManifests.bind(undefined, inArtifacts)),
    isNeeded: current(isNeeded.bind(undefined, inBlobs)),
    parentOf: current(findParent.bind(undefined, inArtifacts)),
    tagsOf: current(tagsOf.bind(undefined, inTags)),
    // As the specification has it; no project can ask for more yet.
    allowsSparseIndexes: async () => true,
    reached: (position) => views.reached(position, contentViews),
  };
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
    rolesOf: async (principal, project) =>
      principal.kind === 'user' ? rolesInProject(project, principal.userId) : [],
    findBlob: current(findBlob.bind(undefined, inBlobs)),
    findManifest: current(findManifest.bind(undefined, inArtifacts)),
    findTag: current(findTag.bind(undefined, inTags)),
    listTags: current(listTags.bind(undefined, inTags)),
    listReferrers: current(listReferrers.bind(undefined, inReferrers)),
    repositoryExists: current(repositoryExists.bind(undefined, inRepositories)),

    api: apiParts({ log, record, secrets, personalData, database, views }, current),

    storeBlob: (blob, metadata) => inSpan('store-blob', {}, () => storing(blob, metadata)),
    pushManifest: (push, metadata) => inSpan('push-manifest', {}, () => pushing(push, metadata)),
    deleteBlob: (at, metadata) => inSpan('delete-blob', {}, () => deletingBlob(at, metadata)),
    deleteManifest: (at, metadata) => inSpan('delete-manifest', {}, () => deletingManifest(at, metadata)),
    deleteTag: (tag, metadata) => inSpan('delete-tag', {}, () => deletingTag(tag, metadata)),

    blobsReached: (position) => views.reached(position, [blobs]),
    manifestsReached: contents.reached,
  };
}
