import type { CondemnedManifest } from '../domain/artifact/decider.ts';
import type { BlobAt } from '../domain/blob/decider.ts';
import type { Metadata } from '../domain/event.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import {
  type CollectGarbage,
  type CollectionProgress,
  type Extent,
  type Finding,
  type Garbage,
  maxRounds,
  nameOf,
  type Page,
  type Place,
  reasons,
  type Sized,
  stages,
  start,
  whyUnneeded,
} from './garbage.ts';
import { type Needed, type RemovalPorts, removal, type Settled } from './remove-unneeded.ts';
import { sweepOrphans } from './sweep-orphans.ts';

export interface CollectGarbagePorts extends RemovalPorts {
  readonly store: Pick<BlobStore, 'delete' | 'list' | 'size'>;
  readonly garbage: Garbage;
  /** A new UUID. */
  readonly newCondemnation: () => string;
  /** Is told of everything that happens, as it happens. */
  readonly report: (finding: Finding) => void;
  /** Is told how far the run is. Without it nothing is counted. */
  readonly onProgress?: ((progress: CollectionProgress) => void) | undefined;
}

/** So many for each worker are settled together: a run that is stopped ends what it has begun. */
const batchItems = 50;
const standardWorkers = 16;

/**
 * Collects garbage while the registry works: removes what was condemned `delayHours` ago and is still not needed, and
 * condemns what is not needed now. All that it has to remember is in the views, so that it can be stopped at any
 * moment and goes on in its next run, and two of them at once do no harm. For dry runs there is `foreseeCollection`.
 * @throws the reason of `stopping`, aborted.
 */
export const collectGarbage = (ports: CollectGarbagePorts) => {
  const { garbage, contents, newCondemnation, report, onProgress, workers = standardWorkers } = ports;
  const remove = removal(ports);

  return async (
    settings: Omit<CollectGarbage, 'dryRun'>,
    metadata: Metadata,
    stopping: AbortSignal,
  ): Promise<void> => {
    const { delayHours } = settings;
    const extent = onProgress === undefined ? undefined : await garbage.measure(delayHours);
    await settleManifests(extent);
    await settleBlobs(extent);
    if (settings.untagged) await condemnManifests(extent);
    for (let round = 1; settings.untagged && delayHours === 0 && round < maxRounds; round += 1) {
      // An index takes its children along, an image its signatures.
      if ((await settleManifests()) === 0) break;
      await condemnManifests();
    }
    await condemnBlobs(extent);
    if (delayHours === 0) await settleBlobs();
    const stored = extent && extent.manifests + extent.blobs;
    await sweepOrphans(ports)({ ...settings, dryRun: false }, stopping, stored);

    async function* batchesOf<Item extends { readonly size: number }>(
      find: (after: Place) => Promise<Page<Item>>,
      { stage, total, totalBytes }: { stage: string; total?: number; totalBytes?: number },
    ): AsyncGenerator<readonly Item[]> {
      const batch = workers * batchItems;
      let done = 0;
      let bytes = 0;
      const tell = (further: number) =>
        onProgress?.({
          ...{ stage, done: done + further },
          ...(total !== undefined && { total: Math.max(total, done + further) }),
          ...(totalBytes !== undefined && { bytes, totalBytes: Math.max(totalBytes, bytes) }),
        });
      for (let at: Place | undefined = start; at !== undefined; ) {
        const page: Page<Item> = await find(at);
        for (let first = 0; first < page.items.length; first += batch) {
          stopping.throwIfAborted();
          tell(first);
          const items = page.items.slice(first, first + batch);
          yield items;
          bytes += items.reduce((sum, { size }) => sum + size, 0);
        }
        done += page.seen;
        tell(0);
        at = page.next;
        stopping.throwIfAborted();
      }
    }

    async function condemnBlobs(of: Extent | undefined): Promise<void> {
      const batches = batchesOf((after) => garbage.unneededBlobs(after, settings.graceHours), {
        stage: stages.condemnBlobs,
        ...(of !== undefined && { total: of.blobs }),
      });
      for await (const batch of batches) {
        const fresh = batch.map((blob) => ({ ...blob, condemnation: newCondemnation() }));
        const condemned = await remove.condemnBlobs(fresh, metadata);
        for (const blob of ownOf(fresh, condemned)) tell('condemned', 'blob', blob, reasons.unneeded);
        // What came to be needed meanwhile must not count as absent until the removal.
        tellNeeded('blob', condemned, await remove.reprieveNeededBlobs(condemned, metadata));
      }
    }

    async function settleBlobs(of?: Extent): Promise<void> {
      const batches = batchesOf((after) => garbage.condemnedBlobs(after, delayHours), {
        stage: stages.settleBlobs,
        ...(of !== undefined && { total: of.condemnedBlobs.items, totalBytes: of.condemnedBlobs.bytes }),
      });
      for await (const batch of batches)
        tellSettled('blob', batch, await remove.settleBlobs(batch, metadata));
    }

    async function condemnManifests(of?: Extent): Promise<void> {
      const batches = batchesOf((after) => garbage.unneededManifests(after, settings.untaggedGraceHours), {
        stage: stages.condemnManifests,
        ...(of !== undefined && { total: of.manifests }),
      });
      for await (const candidates of batches) {
        const tagged = new Set((await contents.neededManifests(candidates)).map(nameOf));
        const fresh = candidates
          .filter((manifest) => !tagged.has(nameOf(manifest)))
          .map((manifest) => ({ ...manifest, condemnation: newCondemnation() }));
        const condemned = await remove.condemnManifests(fresh, metadata);
        for (const manifest of ownOf(fresh, condemned))
          tell('condemned', 'manifest', manifest, whyUnneeded(manifest));
        const needed = await remove.reprieveNeededManifests(condemned, { referrersStay: true }, metadata);
        tellNeeded('manifest', condemned, needed);
      }
    }

    /** Resolves to how many are gone. */
    async function settleManifests(of?: Extent): Promise<number> {
      let removed = 0;
      const batches = batchesOf((after) => garbage.condemnedManifests(after, delayHours), {
        stage: stages.settleManifests,
        ...(of !== undefined && { total: of.condemnedManifests }),
      });
      for await (const batch of batches) {
        const settled = await remove.settleManifests(batch, { referrersStay: true }, metadata);
        tellSettled('manifest', batch, settled);
        removed += settled.filter(({ outcome }) => outcome === 'removed').length;
      }
      return removed;
    }

    function tell(deed: Finding['deed'], kind: Finding['kind'], at: Sized<BlobAt>, why: string): void {
      const { repository, digest, size } = at;
      report({ deed, kind, repository, digest, bytes: size, why });
    }

    function tellNeeded(
      kind: 'blob' | 'manifest',
      condemned: readonly Sized<BlobAt>[],
      needed: Needed,
    ): void {
      for (const at of condemned)
        if (needed.get(nameOf(at))?.isOwn) tell('reprieved', kind, at, reasons.needed);
    }

    function tellSettled(
      kind: 'blob' | 'manifest',
      batch: readonly Sized<BlobAt>[],
      settled: readonly Settled[],
    ): void {
      for (const [index, { repository, digest }] of batch.entries()) {
        const { outcome, isOwn, bytes } = settled[index] ?? { outcome: 'kept', isOwn: false, bytes: 0 };
        if (!isOwn) continue;
        const [deed, why] =
          outcome === 'removed'
            ? (['removed', reasons.still] as const)
            : (['reprieved', reasons.needed] as const);
        report({ deed, kind, repository, digest, bytes, why });
      }
    }
  };
};

/** Those that are under their `fresh` condemnation, and not under one of somebody else. */
function ownOf<At extends CondemnedManifest>(fresh: readonly At[], condemned: readonly At[]): readonly At[] {
  const own = new Set(fresh.map(({ condemnation }) => condemnation));
  return condemned.filter(({ condemnation }) => own.has(condemnation));
}
