import type { ViewDatabase } from '../infra/database/projection.ts';
import { viewOf } from '../infra/database/projection.ts';
import type { ReadCache } from '../infra/read-cache/port.ts';
import { accessTokenQuestion } from '../projections/access-tokens/cached.ts';
import { type AccessTokensDatabase, accessTokens } from '../projections/access-tokens/projection.ts';
import { findAccessToken } from '../projections/access-tokens/queries.ts';
import { manifestQuestion } from '../projections/artifacts/cached.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { findManifest } from '../projections/artifacts/queries.ts';
import { blobQuestion } from '../projections/blobs/cached.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { findBlob } from '../projections/blobs/queries.ts';
import { configurationQuestion } from '../projections/configuration/cached.ts';
import { type ConfigurationDatabase, configuration } from '../projections/configuration/projection.ts';
import { readConfiguration } from '../projections/configuration/queries.ts';
import { rolesQuestion } from '../projections/members/cached.ts';
import { type MembersDatabase, members } from '../projections/members/projection.ts';
import { rolesOf } from '../projections/members/queries.ts';
import { projectQuestion } from '../projections/projects/cached.ts';
import { type ProjectsDatabase, projects } from '../projections/projects/projection.ts';
import { findProject } from '../projections/projects/queries.ts';
import { limitQuestion } from '../projections/quotas/cached.ts';
import { type QuotasDatabase, quotas } from '../projections/quotas/projection.ts';
import { findLimit } from '../projections/quotas/queries.ts';
import { robotQuestion } from '../projections/robots/cached.ts';
import { type RobotsDatabase, robots } from '../projections/robots/projection.ts';
import { findRobot } from '../projections/robots/queries.ts';
import { tagQuestion } from '../projections/tags/cached.ts';
import { type TagsDatabase, tags } from '../projections/tags/projection.ts';
import { findTag } from '../projections/tags/queries.ts';
import { loginUserQuestion } from '../projections/users/cached.ts';
import { type UsersDatabase, users } from '../projections/users/projection.ts';
import { findLoginUser } from '../projections/users/queries.ts';
import type { Current } from './api-parts.ts';

/** What nearly every request asks: who it is, what he may do, and where the bytes are. */
export function cachedReads(cache: ReadCache, kysely: ViewDatabase, current: Current) {
  const inAccessTokens = viewOf<AccessTokensDatabase>(kysely, accessTokens);
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  const inConfiguration = viewOf<ConfigurationDatabase>(kysely, configuration);
  const inMembers = viewOf<MembersDatabase>(kysely, members);
  const inProjects = viewOf<ProjectsDatabase>(kysely, projects);
  const inQuotas = viewOf<QuotasDatabase>(kysely, quotas);
  const inRobots = viewOf<RobotsDatabase>(kysely, robots);
  const inTags = viewOf<TagsDatabase>(kysely, tags);
  const inUsers = viewOf<UsersDatabase>(kysely, users);
  return {
    findAccessToken: cache.cached(
      accessTokenQuestion,
      current(findAccessToken.bind(undefined, inAccessTokens)),
    ),
    findBlob: cache.cached(blobQuestion, current(findBlob.bind(undefined, inBlobs))),
    findLimit: cache.cached(limitQuestion, current(findLimit.bind(undefined, inQuotas))),
    findLoginUser: cache.cached(loginUserQuestion, current(findLoginUser.bind(undefined, inUsers))),
    findManifest: cache.cached(manifestQuestion, current(findManifest.bind(undefined, inArtifacts))),
    findProject: cache.cached(projectQuestion, current(findProject.bind(undefined, inProjects))),
    findRobot: cache.cached(robotQuestion, current(findRobot.bind(undefined, inRobots))),
    findTag: cache.cached(tagQuestion, current(findTag.bind(undefined, inTags))),
    rolesOf: cache.cached(
      rolesQuestion,
      current((projectId, userId, groups) =>
        rolesOf(inMembers, projectId, {
          userId,
          groupIds: groups === '' ? [] : groups.split(',').map(Number),
        }),
      ),
    ),
    readConfiguration: cache.cached(
      configurationQuestion,
      current(readConfiguration.bind(undefined, inConfiguration)),
    ),
  };
}
