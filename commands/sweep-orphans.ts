import type { Digest } from '../domain/digest.ts';
import { BlobNotFound, type BlobStore } from '../infra/blob-store/port.ts';
import { atOnce } from './at-once.ts';
import type { CollectGarbage, Finding, Garbage } from './collect-garbage.ts';

interface Ports {
  readonly store: Pick<BlobStore, 'delete' | 'list' | 'size'>;
  readonly garbage: Pick<Garbage, 'unknownKeys' | 'now'>;
  readonly report: (finding: Finding) => void;
}

interface Entry {
  readonly key: string;
  readonly digest: Digest;
}

const entriesAtOnce = 500;
const deletedAtOnce = 8;

/**
 * Deletes stored bytes that no event names: of an upload whose process died before it could record it, or of a removal
 * that was recorded before the bytes were deleted. Younger ones than `orphanHours` may belong to an event that is on
 * its way.
 */
export const sweepOrphans =
  ({ store, garbage, report }: Ports) =>
  async ({ orphanHours, dryRun }: CollectGarbage, stopping: AbortSignal): Promise<void> => {
    const before = (await garbage.now()).getTime() - orphanHours * 3_600_000;
    let batch: Entry[] = [];
    for await (const { key, digest, storedAt } of store.list()) {
      if (storedAt.getTime() > before) continue;
      batch.push({ key, digest });
      if (batch.length < entriesAtOnce) continue;
      await sweep(batch);
      batch = [];
    }
    await sweep(batch);

    async function sweep(entries: readonly Entry[]): Promise<void> {
      stopping.throwIfAborted();
      if (entries.length === 0) return;
      const unknown = new Set(await garbage.unknownKeys(entries));
      await atOnce(
        deletedAtOnce,
        entries.filter(({ key }) => unknown.has(key)),
        drop,
      );
    }

    async function drop({ key, digest }: Entry): Promise<void> {
      const bytes = await store.size(key).catch((error: unknown) => {
        // Another collector was faster, or what is left of a removal that was cut short.
        if (error instanceof BlobNotFound) return 0;
        throw error;
      });
      if (!dryRun) await store.delete(key);
      report({ deed: 'removed', kind: 'orphan', digest, bytes, why: 'no event names these bytes' });
    }
  };
