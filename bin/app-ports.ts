import { randomUUID } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import { deleteBlob } from '../commands/delete-blob.ts';
import { deleteManifest } from '../commands/delete-manifest.ts';
import { deleteTag } from '../commands/delete-tag.ts';
import { mountBlob } from '../commands/mount-blob.ts';
import { pushManifest } from '../commands/push-manifest.ts';
import type { BackgroundRecorder } from '../commands/record-in-background.ts';
import { pullRecorder } from '../commands/record-pulls.ts';
import { refusedChangeRecorder } from '../commands/record-refused-change.ts';
import { recoverBlob } from '../commands/recover-blob.ts';
import { storeBlob } from '../commands/store-blob.ts';
import { groupIdsOf, userOf } from '../domain/access/principal.ts';
import { standardConfiguration } from '../domain/configuration/items.ts';
import type { AuditForwardingPorts } from '../gateway/api/audit-forwarding.ts';
import type { SystemPorts } from '../gateway/api/system.ts';
import type { ErasurePorts } from '../gateway/api/user-erasures.ts';
import type { AppPorts } from '../gateway/app.ts';
import type { Database } from '../infra/database/connect.ts';
import { isBeingBuilt, viewOf } from '../infra/database/projection.ts';
import type { ManifestCache } from '../infra/manifest-cache/port.ts';
import type { ReadCache } from '../infra/read-cache/port.ts';
import { currentTraceparent, inSpan } from '../infra/telemetry/tracing.ts';
import { isTransient } from '../infra/views/lane.ts';
import type { WebhookSender } from '../infra/webhook-sender/port.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { listRepositories } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { findHolders } from '../projections/blobs/queries.ts';
import { type QuotasDatabase, quotas } from '../projections/quotas/projection.ts';
import { findLimit } from '../projections/quotas/queries.ts';
import { type ReferrersDatabase, referrers } from '../projections/referrers/projection.ts';
import { listReferrers } from '../projections/referrers/queries.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import { repositoryExists } from '../projections/repositories/queries.ts';
import { type TagsDatabase, tags } from '../projections/tags/projection.ts';
import { listTags } from '../projections/tags/queries.ts';
import { type TokenKeysDatabase, tokenKeys } from '../projections/token-keys/projection.ts';
import { listTokenKeys } from '../projections/token-keys/queries.ts';
import { type UsersDatabase, users } from '../projections/users/projection.ts';
import { hasUsersBeside } from '../projections/users/queries.ts';
import { type ApiEngines, apiParts } from './api-parts.ts';
import { auditExportParts } from './audit-export-parts.ts';
import { auditParts } from './audit-parts.ts';
import { type AuthOptions, authPorts } from './auth-ports.ts';
import { cachedReads } from './cached-reads.ts';
import { type ConfigurationSettings, configurationParts } from './configuration-parts.ts';
import { contentsOf, currentIn } from './contents.ts';
import type { EdgePorts } from './edge-ports.ts';
import { type EventSettings, eventParts } from './event-parts.ts';
import { limitReader, quotaParts } from './quota-parts.ts';

/** Who is there from the first start on. */
const firstUserId = 1;

export interface Engines extends ApiEngines {
  readonly logger: FastifyBaseLogger;
  readonly database: Database;
  readonly cache: ReadCache;
  readonly sharedManifests: ManifestCache | undefined;
  readonly maxOpenUploads: number;
  readonly auditExportLifeMs: number;
  readonly redirectPulls: boolean;
  readonly auth: AuthOptions;
  readonly pulls: PullRecording;
  readonly settings: ConfigurationSettings;
  readonly events: EventSettings;
  readonly system: SystemPorts & AuditForwardingPorts;
  readonly erasures: ErasurePorts;
  readonly sender: WebhookSender;
  /** See `QuotaEngines`. */
  readonly quotaHolder: string;
  isReady(): boolean;
  /** Is called before the database is closed. */
  atEnd(work: () => Promise<void>): void;
}

/** Where pulls are recorded, which is closed in the end, and who is told of those that are lost. */
export interface PullRecording {
  readonly background: BackgroundRecorder;
  onDropped(events: number): void;
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
  jobs,
  cache,
  sharedManifests,
  maxOpenUploads,
  auditExportLifeMs,
  redirectPulls,
  auth,
  pulls,
  settings,
  events,
  system,
  erasures,
  sender,
  quotaHolder,
  isReady,
  atEnd,
}: Engines): Omit<AppPorts, 'metrics' | keyof EdgePorts> {
  const { kysely } = database;
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  const inReferrers = viewOf<ReferrersDatabase>(kysely, referrers);
  const inRepositories = viewOf<RepositoriesDatabase>(kysely, repositories);
  const inTags = viewOf<TagsDatabase>(kysely, tags);
  const inTokenKeys = viewOf<TokenKeysDatabase>(kysely, tokenKeys);

  const current = currentIn(views);
  const contents = contentsOf({ database, views });
  const reads = cachedReads(cache, kysely, current);
  const configuration = configurationParts(
    {
      ...{ log, record, secrets, views },
      readConfiguration: reads.readConfiguration,
      hasUsers: current(hasUsersBeside.bind(undefined, viewOf<UsersDatabase>(kysely, users), firstUserId)),
    },
    settings,
  );
  const pulling = pullRecorder({
    ...pulls,
    settings: configuration.configuration,
    standard: standardConfiguration,
  });
  atEnd(() => pulling.close());
  const changing = { record, store, contents, newCondemnation: randomUUID };
  const keeper = quotaParts(
    { log, store, background: auth.background, database, views, logger, quotaHolder, atEnd },
    {
      limitOf: limitReader({
        isEnabled: async () => (await configuration.configuration()).quota_per_project_enable,
        findLimit: reads.findLimit,
        shown: async () => views.reached(await log.head(), [quotas]),
        findLimitNow: current(findLimit.bind(undefined, viewOf<QuotasDatabase>(kysely, quotas))),
      }),
      findBlob: reads.findBlob,
    },
  );
  const mounting = keeper.mountBlob(mountBlob(changing));
  const recovering = keeper.recoverBlob(recoverBlob(changing));
  const storing = keeper.storeBlob(storeBlob(changing));
  const pushing = keeper.pushManifest(pushManifest(changing));
  const deletingBlob = deleteBlob(changing);
  const deletingManifest = deleteManifest(changing);
  const deletingTag = deleteTag(changing);

  return {
    logger,
    store,
    sharedManifests,
    maxOpenUploads,
    redirectPulls,
    isReady,
    isOutage: (error) => isTransient(error) || isBeingBuilt(error),
    currentTraceparent,
    asOfNow: cache.asOfNow,
    ...authPorts(
      auth,
      {
        findLoginUser: reads.findLoginUser,
        findRobot: reads.findRobot,
        findAccessToken: reads.findAccessToken,
        listTokenKeys: current(listTokenKeys.bind(undefined, inTokenKeys)),
      },
      configuration.configuration,
    ),

    findProject: openedBy(auth.anonymousWrite, reads.findProject),
    async rolesOf(principal, projectId) {
      const user = userOf(principal);
      return user === undefined ? [] : reads.rolesOf(projectId, user.userId, groupIdsOf(user).join(','));
    },
    findBlob: reads.findBlob,
    findHolders: current(findHolders.bind(undefined, inBlobs)),
    findManifest: reads.findManifest,
    findTag: reads.findTag,
    listTags: current(listTags.bind(undefined, inTags)),
    listReferrers: current(listReferrers.bind(undefined, inReferrers)),
    listRepositories: current(listRepositories.bind(undefined, inArtifacts)),
    repositoryExists: current(repositoryExists.bind(undefined, inRepositories)),

    api: apiParts(
      { log, record, secrets, store, personalData, database, views, jobs, sender },
      contents,
      current,
      {
        ...system,
        ...configuration,
        erasures,
        ...auditParts({ log, views }, { kysely, current }),
        auditExports: auditExportParts(
          { record, allocateIds: jobs.allocateIds },
          { database, views },
          auditExportLifeMs,
        ),
        events: eventParts(
          {
            ...{ log, views, kysely, current },
            onFailure: (err) => logger.warn({ err }, 'events cannot be followed now'),
          },
          events,
        ),
        recordRefusedChange: refusedChangeRecorder({
          background: auth.background,
          now: () => new Date(),
          onDropped: pulls.onDropped,
        }),
      },
      keeper,
    ),

    withinQuota: keeper.within,
    requireRoom: keeper.requireRoom,

    recoverBlob: (blob, metadata) => inSpan('recover-blob', {}, () => recovering(blob, metadata)),
    storeBlob: (blob, metadata) => inSpan('store-blob', {}, () => storing(blob, metadata)),
    mountBlob: (mount, metadata) => inSpan('mount-blob', {}, () => mounting(mount, metadata)),
    pushManifest: (push, metadata) => inSpan('push-manifest', {}, () => pushing(push, metadata)),
    deleteBlob: (at, metadata) => inSpan('delete-blob', {}, () => deletingBlob(at, metadata)),
    deleteManifest: (at, metadata) => inSpan('delete-manifest', {}, () => deletingManifest(at, metadata)),
    deleteTag: (tag, metadata) => inSpan('delete-tag', {}, () => deletingTag(tag, metadata)),
    recordPull: pulling.record,

    blobsReached: (position) => views.reached(position, [blobs]),
    manifestsReached: contents.reached,
  };
}

/** Marks the projects in which the operator lets everybody write. */
const openedBy =
  <Project extends { readonly name: string }>(
    names: readonly string[],
    find: (name: string) => Promise<Project | undefined>,
  ) =>
  async (name: string): Promise<(Project & { readonly anonymousWrite: boolean }) | undefined> => {
    const project = await find(name);
    return project && { ...project, anonymousWrite: names.includes(project.name) };
  };
