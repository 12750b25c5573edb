import type { Digest } from '../domain/digest.ts';
import { BlobNotFound, type BlobStore } from '../infra/blob-store/port.ts';
import { atOnce } from './at-once.ts';
import {
  type CollectGarbage,
  type CollectionProgress,
  type Finding,
  type Garbage,
  reasons,
  stages,
} from './garbage.ts';

interface Ports {
  readonly store: Pick<BlobStore, 'delete' | 'list' | 'size'>;
  readonly garbage: Pick<Garbage, 'unknownKeys' | 'now'>;
  readonly report: (finding: Finding) => void;
  readonly onProgress?: ((progress: CollectionProgress) => void) | undefined;
  /** How many are deleted at once. */
  readonly workers?: number | undefined;
}

interface Entry {
  readonly key: string;
  readonly digest: Digest;
}

const entriesAtOnce = 500;
const standardWorkers = 8;

/**
 * Deletes stored bytes that no event names: of an upload whose process died before it could record it, or of a removal
 * that was recorded before the bytes were deleted. Younger ones than `orphanHours` may belong to an event that is on
 * its way.
 * @throws the reason of `stopping`, aborted.
 */
export const sweepOrphans =
  ({ store, garbage, report, onProgress, workers = standardWorkers }: Ports) =>
  async (
    { orphanHours, dryRun }: Pick<CollectGarbage, 'orphanHours' | 'dryRun'>,
    stopping: AbortSignal,
    /** How many keys the store holds, about. */
    expected?: number,
  ): Promise<void> => {
    const before = (await garbage.now()).getTime() - orphanHours * 3_600_000;
    let batch: Entry[] = [];
    let seen = 0;
    for await (const { key, digest, storedAt } of store.list()) {
      seen += 1;
      if (seen % entriesAtOnce === 0) tell();
      if (storedAt.getTime() > before) continue;
      batch.push({ key, digest });
      if (batch.length < entriesAtOnce) continue;
      await sweep(batch);
      batch = [];
    }
    await sweep(batch);
    tell();

    function tell(): void {
      const total = expected !== undefined && { total: Math.max(expected, seen) };
      onProgress?.({ stage: stages.sweepOrphans, done: seen, ...total });
      stopping.throwIfAborted();
    }

    async function sweep(entries: readonly Entry[]): Promise<void> {
      stopping.throwIfAborted();
      if (entries.length === 0) return;
      const unknown = new Set(await garbage.unknownKeys(entries));
      await atOnce(
        workers,
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
      report({ deed: 'removed', kind: 'orphan', digest, bytes, why: reasons.orphan });
    }
  };
