import type { CopyArtifact } from '../../commands/copy-artifact.ts';
import type { CreateTag } from '../../commands/create-tag.ts';
import type { DeleteTag } from '../../commands/delete-tag.ts';
import type { ManifestAt } from '../../domain/artifact/decider.ts';
import type { Metadata } from '../../domain/event.ts';
import type { DescribeRepository, RepositoryAt } from '../../domain/repository/decider.ts';
import type { findAccessoriesOf, listAccessories } from '../../projections/repositories/accessories.ts';
import type { findArtifactIds } from '../../projections/repositories/artifact-ids.ts';
import type {
  findArtifact,
  findArtifacts,
  findChildrenOf,
} from '../../projections/repositories/artifacts.ts';
import type {
  countArtifacts,
  findRepository,
  findRepositoryIds,
  listRepositoriesOf,
} from '../../projections/repositories/queries.ts';
import type { listTagRows } from '../../projections/repositories/tag-rows.ts';
import type { findTagsOf, listTagsOf } from '../../projections/repositories/tags.ts';
import type { Query } from './ports.ts';

/** What the operations on repositories, artifacts and tags ask for. */
export interface RepositoryPorts {
  readonly contents: {
    readonly countArtifacts: Query<typeof countArtifacts>;
    readonly findRepository: Query<typeof findRepository>;
    readonly findRepositoryIds: Query<typeof findRepositoryIds>;
    readonly listRepositoriesOf: Query<typeof listRepositoriesOf>;
    readonly findArtifactIds: Query<typeof findArtifactIds>;
    readonly findArtifact: Query<typeof findArtifact>;
    readonly findArtifacts: Query<typeof findArtifacts>;
    readonly findChildrenOf: Query<typeof findChildrenOf>;
    readonly listTagRows: Query<typeof listTagRows>;
    readonly findTagsOf: Query<typeof findTagsOf>;
    readonly listTagsOf: Query<typeof listTagsOf>;
    readonly findAccessoriesOf: Query<typeof findAccessoriesOf>;
    readonly listAccessories: Query<typeof listAccessories>;

    /* Each resolves when the lists show what it has done. */
    describeRepository(described: DescribeRepository, metadata: Metadata): Promise<void>;
    /** @throws Refusal `tag-immutable` */
    deleteRepository(at: RepositoryAt, metadata: Metadata): Promise<void>;
    /** Resolves to whether it was there. @throws Refusal `manifest-referenced`, `tag-immutable` */
    deleteArtifact(at: ManifestAt, metadata: Metadata): Promise<boolean>;
    /** Resolves to whether it is there. @throws Refusal as a push does. */
    copyArtifact(copy: CopyArtifact, metadata: Metadata): Promise<boolean>;
    /** Resolves to whether the artifact is there. @throws Refusal `tag-condition-failed` */
    createTag(tag: CreateTag, metadata: Metadata): Promise<boolean>;
    /** @throws Refusal `tag-immutable` */
    deleteTag(tag: DeleteTag, metadata: Metadata): Promise<void>;
  };
}
