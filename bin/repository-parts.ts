import { randomUUID } from 'node:crypto';
import type { Contents } from '../commands/contents.ts';
import { copyArtifact } from '../commands/copy-artifact.ts';
import { createTag } from '../commands/create-tag.ts';
import { type ArtifactParts, deleteArtifact } from '../commands/delete-artifact.ts';
import { deleteRepository } from '../commands/delete-repository.ts';
import { deleteTag } from '../commands/delete-tag.ts';
import { describeRepository } from '../commands/describe-repository.ts';
import type { QuotaKeeper } from '../commands/keep-quotas.ts';
import { mountBlob } from '../commands/mount-blob.ts';
import { pushManifest } from '../commands/push-manifest.ts';
import type { Recorder } from '../commands/record.ts';
import type { RepositoryPorts } from '../gateway/api/repository-ports.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { findManifest, listChildren, listManifestsIn } from '../projections/artifacts/queries.ts';
import {
  accessoriesOf,
  findAccessoriesOf,
  listAccessories,
} from '../projections/repositories/accessories.ts';
import { findArtifactIds } from '../projections/repositories/artifact-ids.ts';
import { findArtifact, findArtifacts, findChildrenOf } from '../projections/repositories/artifacts.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import {
  countArtifacts,
  findRepository,
  findRepositoryIds,
  listRepositoriesOf,
} from '../projections/repositories/queries.ts';
import { listTagRows } from '../projections/repositories/tag-rows.ts';
import { findTagsOf, listTagsOf } from '../projections/repositories/tags.ts';
import type { Current } from './api-parts.ts';

/** What the management API asks of repositories, artifacts and tags. */
export function repositoryParts(
  {
    record,
    store,
    contents,
    keeper,
  }: {
    record: Recorder;
    store: BlobStore;
    contents: Contents;
    keeper: Pick<QuotaKeeper, 'mountBlob' | 'pushManifest'>;
  },
  { kysely, current }: { kysely: ViewDatabase; current: Current },
): RepositoryPorts {
  const inRepositories = viewOf<RepositoriesDatabase>(kysely, repositories);
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const changing = { record, store, contents, newCondemnation: randomUUID };
  const parts: ArtifactParts = {
    accessoriesOf: current(accessoriesOf.bind(undefined, inRepositories)),
    childrenOf: current(listChildren.bind(undefined, inArtifacts)),
  };
  const describing = describeRepository(changing);
  const deleting = deleteRepository({
    ...changing,
    manifestsIn: current(listManifestsIn.bind(undefined, inArtifacts)),
  });
  const untagging = deleteTag(changing);
  return {
    contents: {
      countArtifacts: current(countArtifacts.bind(undefined, inRepositories)),
      findRepository: current(findRepository.bind(undefined, inRepositories)),
      findRepositoryIds: current(findRepositoryIds.bind(undefined, inRepositories)),
      listRepositoriesOf: current(listRepositoriesOf.bind(undefined, inRepositories)),
      findArtifactIds: current(findArtifactIds.bind(undefined, inRepositories)),
      findArtifact: current(findArtifact.bind(undefined, inRepositories)),
      findArtifacts: current(findArtifacts.bind(undefined, inRepositories)),
      findChildrenOf: current(findChildrenOf.bind(undefined, inRepositories)),
      listTagRows: current(listTagRows.bind(undefined, inRepositories)),
      findTagsOf: current(findTagsOf.bind(undefined, inRepositories)),
      listTagsOf: current(listTagsOf.bind(undefined, inRepositories)),
      findAccessoriesOf: current(findAccessoriesOf.bind(undefined, inRepositories)),
      listAccessories: current(listAccessories.bind(undefined, inRepositories)),
      describeRepository: async (described, metadata) =>
        contents.reached(await describing(described, metadata)),
      deleteRepository: async (at, metadata) => contents.reached(await deleting(at, metadata)),
      deleteArtifact: deleteArtifact({ ...changing, ...parts }),
      copyArtifact: copyArtifact({
        ...changing,
        ...parts,
        findManifest: current(findManifest.bind(undefined, inArtifacts)),
        mountBlob: keeper.mountBlob(mountBlob(changing)),
        pushManifest: keeper.pushManifest(pushManifest(changing)),
      }),
      createTag: createTag(changing),
      deleteTag: async (tag, metadata) => contents.reached(await untagging(tag, metadata)),
    },
  };
}
