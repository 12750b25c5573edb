import type { ManifestAt } from '../domain/artifact/decider.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { deletingRepository, type RepositoryAt } from '../domain/repository/decider.ts';
import { repositoryStream } from '../domain/repository/events.ts';
import { atOnce } from './at-once.ts';
import { deleteManifest } from './delete-manifest.ts';
import type { Place } from './garbage.ts';
import { requireDeletable } from './locked-tags.ts';
import { decision } from './record.ts';
import type { RemovalPorts } from './remove-unneeded.ts';

export interface DeleteRepositoryPorts extends RemovalPorts {
  /** A new UUID. */
  readonly newCondemnation: () => string;
  /** Up to `limit` manifests of the repository after `after`. */
  manifestsIn(repository: string, after: Place, limit: number): Promise<readonly ManifestAt[]>;
}

const pageSize = 100;
const deletedAtOnce = 8;
const tagsAtOnce = 1000;

/**
 * Deletes every manifest of a repository with its tags, and then the repository. It can be stopped at any moment: what
 * is left is in the lists, and the next call goes on with it. What is pushed meanwhile may stay, and the repository
 * with it. The blobs are for the collector of garbage. Resolves to the log's position. @throws Refusal `tag-immutable`
 */
export const deleteRepository = (ports: DeleteRepositoryPorts) => {
  const { record, contents, manifestsIn } = ports;
  const deleting = deleteManifest(ports);

  /** Resolves to how many went, and how many could not go before the indexes that name them. */
  async function deleteOnce(repository: string, metadata: Metadata) {
    const counts = { deleted: 0, left: 0 };
    for (let after: Place | undefined = { repository, digest: '' }; after !== undefined; ) {
      const page: readonly ManifestAt[] = await manifestsIn(repository, after, pageSize);
      await atOnce(deletedAtOnce, page, async (manifest) => {
        if (await isDeleted(manifest, metadata)) counts.deleted += 1;
        else counts.left += 1;
      });
      after = page.length < pageSize ? undefined : page.at(-1);
    }
    return counts;
  }

  async function isDeleted(manifest: ManifestAt, metadata: Metadata): Promise<boolean> {
    try {
      await deleting(manifest, metadata);
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.reason.kind === 'manifest-referenced') return false;
      throw error;
    }
  }

  /** All of them before the first goes: a list as long as the rules make necessary. @throws Refusal `tag-immutable` */
  async function requireUnlocked(repository: string): Promise<void> {
    const locks = await contents.tagLocks(repository);
    if (locks.isEmpty('delete')) return;
    for (let last: string | undefined = ''; last !== undefined; ) {
      const tags: readonly string[] = await contents.tagsIn(repository, { last, limit: tagsAtOnce });
      await requireDeletable(repository, tags, locks);
      last = tags.length < tagsAtOnce ? undefined : tags.at(-1);
    }
  }

  return async (at: RepositoryAt, metadata: Metadata): Promise<bigint> => {
    await requireUnlocked(at.repository);
    for (let again = true; again; ) {
      const { deleted, left } = await deleteOnce(at.repository, metadata);
      again = left > 0 && deleted > 0;
    }
    const stream = repositoryStream(at.repository);
    const { position } = await record(metadata, decision(stream, deletingRepository, at));
    await contents.reached(position);
    return position;
  };
};
