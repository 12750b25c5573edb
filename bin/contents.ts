import type { Contents } from '../commands/contents.ts';
import type { Foresight } from '../commands/foresee-collection.ts';
import type { Garbage, Place } from '../commands/garbage.ts';
import { locksOf, noLocks } from '../domain/immutability/locks.ts';
import { projectOf } from '../domain/repository.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { annotations } from '../projections/annotations/projection.ts';
import { findChildrenOf, findKeepers, findUncondemned } from '../projections/artifacts/foresight.ts';
import {
  findAttached,
  findChildren,
  findCondemnedManifests,
  findManifestKeys,
  findUnneededManifests,
  measureManifests,
} from '../projections/artifacts/garbage.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { findManifests, findParent, listManifestsOf } from '../projections/artifacts/queries.ts';
import { countHolders, findHeld, findNeedsOf } from '../projections/blobs/foresight.ts';
import {
  databaseTime,
  findBlobKeys,
  findCondemnedBlobs,
  findNeeded,
  findUnneededBlobs,
  measureBlobs,
} from '../projections/blobs/garbage.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { findBlobs, listLinksOf } from '../projections/blobs/queries.ts';
import { type ImmutabilityDatabase, immutability } from '../projections/immutability/projection.ts';
import { rulesOf } from '../projections/immutability/queries.ts';
import { type ProjectsDatabase, projects } from '../projections/projects/projection.ts';
import { findProject } from '../projections/projects/queries.ts';
import { findReferrersOf } from '../projections/referrers/foresight.ts';
import { type ReferrersDatabase, referrers } from '../projections/referrers/projection.ts';
import { repositories } from '../projections/repositories/projection.ts';
import { type TagsDatabase, tags } from '../projections/tags/projection.ts';
import { findDigests, findTagged, listTags, tagsOf } from '../projections/tags/queries.ts';

interface Shown {
  readonly database: Pick<Database, 'kysely'>;
  readonly views: Views;
}

/** All that tells what a repository has, and what needs it. */
const contentViews = [annotations, artifacts, blobs, referrers, repositories, tags];

/** Lets no answer through that the views gave, or may have given, while they were behind what they had shown. */
export const currentIn =
  (views: Pick<Views, 'requireCurrent'>) =>
  <Args extends unknown[], Result>(query: (...args: Args) => Promise<Result>) =>
  async (...args: Args): Promise<Result> => {
    views.requireCurrent();
    const result = await query(...args);
    views.requireCurrent();
    return result;
  };

/** What commands ask the views of a repository's contents. */
export function contentsOf({ database: { kysely }, views }: Shown): Contents {
  const current = currentIn(views);
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  const inTags = viewOf<TagsDatabase>(kysely, tags);
  const rules = current(rulesOf.bind(undefined, viewOf<ImmutabilityDatabase>(kysely, immutability)));
  const project = current(findProject.bind(undefined, viewOf<ProjectsDatabase>(kysely, projects)));
  return {
    blobs: current(findBlobs.bind(undefined, inBlobs)),
    manifests: current(findManifests.bind(undefined, inArtifacts)),
    neededBlobs: current((of) => findNeeded(inBlobs, of)),
    neededManifests: current(async (of) => {
      const [tagged, children] = await Promise.all([findTagged(inTags, of), findChildren(inArtifacts, of)]);
      return [...tagged, ...children];
    }),
    attachedManifests: current((of) => findAttached(inArtifacts, of)),
    parentOf: current(findParent.bind(undefined, inArtifacts)),
    tagsOf: current(tagsOf.bind(undefined, inTags)),
    blobsOf: current(listLinksOf.bind(undefined, inBlobs)),
    manifestsOf: current(listManifestsOf.bind(undefined, inArtifacts)),
    async tagLocks(repository) {
      const name = projectOf(repository);
      const found = await rules(name);
      if (found.length === 0) return noLocks;
      const projectId = (await project(name))?.projectId;
      return locksOf(
        repository,
        found.filter((rule) => rule.projectId === projectId),
      );
    },
    digestsOf: current(findDigests.bind(undefined, inTags)),
    tagsIn: current(listTags.bind(undefined, inTags)),
    // The specification lets a registry accept them, and so does a project that says nothing.
    allowsSparseIndexes: async (repository) =>
      (await project(projectOf(repository)))?.metadata.sparse_indexes !== 'false',
    reached: (position) => views.reached(position, contentViews),
  };
}

/** What the collector of garbage asks the views. */
export function garbageOf({
  log,
  database: { kysely },
  views,
}: Shown & { readonly log: Pick<EventLog, 'head'> }): Garbage {
  const current = currentIn(views);
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  /** One view shows the condemnation, and another one whether it is needed, which may be behind or have stopped. */
  const shownByAll = <Found>(find: (after: Place, delayHours: number) => Promise<Found>) =>
    current(async (after: Place, delayHours: number) => {
      const found = await find(after, delayHours);
      await views.reached(await log.head(), contentViews);
      return found;
    });
  return {
    unneededBlobs: current(findUnneededBlobs.bind(undefined, inBlobs)),
    condemnedBlobs: shownByAll(findCondemnedBlobs.bind(undefined, inBlobs)),
    unneededManifests: current(findUnneededManifests.bind(undefined, inArtifacts)),
    condemnedManifests: shownByAll(findCondemnedManifests.bind(undefined, inArtifacts)),
    unknownKeys: current(async (entries) => {
      // A view that is being built anew, or is behind, would not name what the log does.
      await views.reached(await log.head(), [artifacts, blobs]);
      const digests = [...new Set(entries.map(({ digest }) => digest))];
      const known = new Set([
        ...(await findBlobKeys(inBlobs, digests)),
        ...(await findManifestKeys(inArtifacts, digests)),
      ]);
      return entries.map(({ key }) => key).filter((key) => !known.has(key));
    }),
    async measure(delayHours) {
      const [manifests, held] = await Promise.all([
        measureManifests(inArtifacts, delayHours),
        measureBlobs(inBlobs, delayHours),
      ]);
      return {
        manifests: manifests.present,
        blobs: held.linked,
        condemnedManifests: manifests.condemned,
        condemnedBlobs: held.condemned,
      };
    },
    now: () => databaseTime(inBlobs),
  };
}

/** What a dry run asks the views. */
export function foresightOf({ database: { kysely }, views }: Shown): Foresight {
  const current = currentIn(views);
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  const inReferrers = viewOf<ReferrersDatabase>(kysely, referrers);
  const inTags = viewOf<TagsDatabase>(kysely, tags);
  return {
    keepersOf: current(async (manifests) => {
      const [tagged, kept] = await Promise.all([
        findTagged(inTags, manifests),
        findKeepers(inArtifacts, manifests),
      ]);
      return [
        ...tagged.map(({ repository, digest }) => ({ repository, digest, by: 'tag' as const })),
        ...kept,
      ];
    }),
    keptBy: current(async (manifests) => {
      const [children, referring] = await Promise.all([
        findChildrenOf(inArtifacts, manifests),
        findReferrersOf(inReferrers, manifests),
      ]);
      return findUncondemned(inArtifacts, [...children, ...referring]);
    }),
    needsOf: current((manifests) => findNeedsOf(inBlobs, manifests)),
    heldBlobs: current((places) => findHeld(inBlobs, places)),
    countHolders: current((digests) => countHolders(inBlobs, digests)),
  };
}
