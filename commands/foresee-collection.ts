import type { ManifestAt } from '../domain/artifact/decider.ts';
import type { BlobAt } from '../domain/blob/decider.ts';
import type { Digest } from '../domain/digest.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Contents } from './contents.ts';
import {
  type CollectGarbage,
  type CollectionProgress,
  type Finding,
  type Garbage,
  type ManifestWithSubject,
  maxRounds,
  nameOf,
  type Page,
  type Place,
  reasons,
  type Sized,
  stages,
  start,
  type Unneeded,
  whyUnneeded,
} from './garbage.ts';
import { sweepOrphans } from './sweep-orphans.ts';

/** What keeps a manifest: a tag, an index that names it, or what it refers to. */
export interface Keeper extends Place {
  readonly by: 'tag' | 'index' | 'subject';
  /** None for a tag. */
  readonly keeper?: string;
}

/** What the views show of what hangs on what. */
export interface Foresight {
  keepersOf(manifests: readonly Place[]): Promise<readonly Keeper[]>;
  /** The children of `manifests` and what refers to them, be it kept by others or not; none is condemned. */
  keptBy(manifests: readonly Place[]): Promise<readonly ManifestWithSubject[]>;
  /** What `manifests` need: each blob as often as it is needed. */
  needsOf(manifests: readonly Place[]): Promise<readonly Place[]>;
  /** Those of `places` that are blobs of a repository, and how many of its manifests need them. */
  heldBlobs(
    places: readonly Place[],
  ): Promise<readonly (Sized<BlobAt> & { readonly needs: number; readonly isCondemned: boolean })[]>;
  /** How many repositories hold each of `digests`. */
  countHolders(digests: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

export interface ForeseeCollection extends Omit<CollectGarbage, 'dryRun'> {
  /**
   * Whether all is told that would be gone after many runs, if nothing else happened: no delay counts, and what falls
   * with something else has no grace of its own.
   */
  readonly toTheEnd: boolean;
}

/** What nothing needs, and that is kept because it is young. */
export interface Young extends Sized<Place> {
  readonly kind: 'blob' | 'manifest';
  /** When its grace is over. */
  readonly until: Date;
}

export interface ForeseePorts {
  readonly garbage: Garbage;
  readonly contents: Pick<Contents, 'neededManifests'>;
  readonly foresight: Foresight;
  readonly store: Pick<BlobStore, 'delete' | 'list' | 'size'>;
  readonly report: (finding: Finding) => void;
  readonly onYoung?: ((young: Young) => void) | undefined;
  readonly onProgress?: ((progress: CollectionProgress) => void) | undefined;
}

/** More manifests than this are not followed to what they release: their names are held in memory. */
const maxFollowed = 200_000;
const followedAtOnce = 500;

/**
 * Says what `collectGarbage` would do now, and does nothing: also what it would do because of what it does. It is that
 * exactly while nobody pushes or deletes. @throws the reason of `stopping`, aborted.
 */
export const foreseeCollection =
  ({ garbage, contents, foresight, store, report, onYoung, onProgress }: ForeseePorts) =>
  async (settings: ForeseeCollection, stopping: AbortSignal): Promise<void> => {
    const { toTheEnd, untagged } = settings;
    const delayHours = toTheEnd ? 0 : settings.delayHours;
    const isImmediate = delayHours === 0;
    /** The manifests that go, those of the last round, and how many of them need each thing. */
    const gone = new Set<string>();
    let fresh: Place[] = [];
    const releases = new Map<string, Place & { times: number }>();
    /** In how many repositories each blob goes. */
    const unlinked = new Map<string, number>();
    const told = new Set<string>();
    const now = (await garbage.now()).getTime();
    const extent = onProgress === undefined ? undefined : await garbage.measure(delayHours);

    await settleManifests();
    if (!toTheEnd) await settleBlobs();
    if (untagged) {
      const withoutGrace = toTheEnd || settings.untaggedGraceHours === 0;
      if (!isImmediate && withoutGrace) await condemnDependents(false);
      await condemnManifests();
      for (let round = 1; isImmediate && withoutGrace && fresh.length > 0; round += 1) {
        if (!toTheEnd && round === maxRounds) break;
        await condemnDependents(toTheEnd || round + 1 < maxRounds);
      }
    }
    if (toTheEnd) await settleBlobs();
    await condemnBlobs();
    if (toTheEnd || settings.graceHours === 0) await condemnReleased();
    const stored = extent && extent.manifests + extent.blobs;
    await sweepOrphans({ store, garbage, report, onProgress })(
      { orphanHours: settings.orphanHours, dryRun: true },
      stopping,
      stored,
    );

    async function* pagesOf<Item>(
      stage: string,
      total: number | undefined,
      find: (after: Place) => Promise<Page<Item>>,
    ): AsyncGenerator<readonly Item[]> {
      let done = 0;
      for (let at: Place | undefined = start; at !== undefined; ) {
        stopping.throwIfAborted();
        const page: Page<Item> = await find(at);
        if (page.items.length > 0) yield page.items;
        done += page.seen;
        onProgress?.({ stage, done, ...(total !== undefined && { total: Math.max(total, done) }) });
        at = page.next;
      }
    }

    async function settleManifests(): Promise<void> {
      const find = (after: Place) => garbage.condemnedManifests(after, delayHours);
      for await (const page of pagesOf(stages.settleManifests, extent?.condemnedManifests, find)) {
        const needed = await stillNeeded(page);
        for (const at of page)
          if (needed.has(nameOf(at))) tell('reprieved', 'manifest', { ...at, size: 0 }, reasons.needed);
          else tell('removed', 'manifest', at, reasons.still);
        await remove(page.filter((at) => !needed.has(nameOf(at))));
      }
    }

    async function condemnManifests(): Promise<void> {
      const find = (after: Place) => garbage.unneededManifests(after, graceFor(settings.untaggedGraceHours));
      for await (const page of pagesOf(stages.condemnManifests, extent?.manifests, find)) {
        const tagged = new Set((await contents.neededManifests(page)).map(nameOf));
        const untaggedOnes = page.filter((at) => !tagged.has(nameOf(at)) && !told.has(nameOf(at)));
        await fallManifests(old('manifest', untaggedOnes, settings.untaggedGraceHours), isImmediate);
      }
    }

    /** What those of the last round have kept, and nothing else keeps. */
    async function condemnDependents(areSettled: boolean): Promise<void> {
      const keepers = fresh;
      fresh = [];
      for (const some of chunksOf(keepers, followedAtOnce)) {
        stopping.throwIfAborted();
        const kept = await foresight.keptBy(some);
        const candidates = kept.filter((at) => !told.has(nameOf(at)));
        const needed = await stillNeeded(candidates);
        const falling = candidates.filter((at) => !needed.has(nameOf(at)));
        for (const at of falling) told.add(nameOf(at));
        await fallManifests(falling, areSettled);
      }
    }

    async function fallManifests(
      manifests: readonly ManifestWithSubject[],
      areSettled: boolean,
    ): Promise<void> {
      for (const at of manifests) fall('manifest', at, whyUnneeded(at), areSettled ? at.size : undefined);
      if (areSettled) await remove(manifests);
    }

    async function settleBlobs(): Promise<void> {
      const find = (after: Place) => garbage.condemnedBlobs(after, delayHours);
      for await (const page of pagesOf(stages.settleBlobs, extent?.condemnedBlobs.items, find)) {
        const held = await foresight.heldBlobs(page);
        const needed = new Set(held.filter((at) => at.needs > releasedTimes(at)).map(nameOf));
        const sizes = await freedBy(page.filter((at) => !needed.has(nameOf(at))));
        for (const at of page)
          if (needed.has(nameOf(at))) tell('reprieved', 'blob', { ...at, size: 0 }, reasons.needed);
          else tell('removed', 'blob', { ...at, size: sizes.get(nameOf(at)) ?? 0 }, reasons.still);
      }
    }

    async function condemnBlobs(): Promise<void> {
      const find = (after: Place) => garbage.unneededBlobs(after, graceFor(settings.graceHours));
      for await (const page of pagesOf(stages.condemnBlobs, extent?.blobs, find))
        await fallBlobs(old('blob', page, settings.graceHours));
    }

    /** What no manifest needs but those that go. */
    async function condemnReleased(): Promise<void> {
      for (const some of chunksOf([...releases.values()], followedAtOnce)) {
        stopping.throwIfAborted();
        const held = await foresight.heldBlobs(some);
        await fallBlobs(held.filter((at) => !at.isCondemned && at.needs === releasedTimes(at)));
      }
    }

    async function fallBlobs(blobs: readonly Sized<BlobAt>[]): Promise<void> {
      const sizes = isImmediate ? await freedBy(blobs) : undefined;
      for (const at of blobs)
        fall('blob', at, reasons.unneeded, sizes === undefined ? undefined : (sizes.get(nameOf(at)) ?? 0));
    }

    /** @param freed the bytes that go with it, where it is settled in the same run. */
    function fall(
      kind: 'blob' | 'manifest',
      at: Sized<ManifestAt>,
      why: string,
      freed: number | undefined,
    ): void {
      if (!toTheEnd) tell('condemned', kind, at, why);
      if (freed !== undefined) tell('removed', kind, { ...at, size: freed }, toTheEnd ? why : reasons.still);
    }

    function tell(deed: Finding['deed'], kind: Finding['kind'], at: Sized<BlobAt>, why: string): void {
      const { repository, digest, size } = at;
      report({ deed, kind, repository, digest, bytes: size, why });
    }

    /** Where young ones are told of, all are asked for. */
    function graceFor(graceHours: number): number {
      return onYoung === undefined ? graceHours : 0;
    }

    /** Those whose grace is over. */
    function old<At extends Unneeded<Place>>(
      kind: 'blob' | 'manifest',
      page: readonly At[],
      graceHours: number,
    ): readonly At[] {
      if (onYoung === undefined) return page;
      return page.filter(({ since, ...at }) => {
        const until = new Date(since.getTime() + graceHours * 3_600_000);
        if (until.getTime() <= now) return true;
        onYoung({ kind, repository: at.repository, digest: at.digest, size: at.size, until });
        return false;
      });
    }

    /** The names of those of `manifests` that something keeps which stays. */
    async function stillNeeded(manifests: readonly Place[]): Promise<ReadonlySet<string>> {
      const keepers = await foresight.keepersOf(manifests);
      const staying = keepers.filter(
        ({ repository, keeper }) => keeper === undefined || !gone.has(nameOf({ repository, digest: keeper })),
      );
      return new Set(staying.map(nameOf));
    }

    async function remove(manifests: readonly Place[]): Promise<void> {
      const followed = manifests.slice(0, Math.max(0, maxFollowed - gone.size));
      for (const at of followed) gone.add(nameOf(at));
      fresh.push(...followed);
      for (const need of await foresight.needsOf(followed)) {
        const name = nameOf(need);
        const known = releases.get(name);
        if (known === undefined) releases.set(name, { ...need, times: 1 });
        else known.times += 1;
      }
    }

    function releasedTimes(at: Place): number {
      return releases.get(nameOf(at))?.times ?? 0;
    }

    /** The bytes that go with each of `blobs`: none while another repository holds it. */
    async function freedBy(blobs: readonly Sized<BlobAt>[]): Promise<ReadonlyMap<string, number>> {
      const holders = await foresight.countHolders([...new Set(blobs.map(({ digest }) => digest))]);
      return new Map(
        blobs.map((at): [string, number] => {
          const times = (unlinked.get(at.digest) ?? 0) + 1;
          unlinked.set(at.digest, times);
          return [nameOf(at), times === holders.get(at.digest as Digest) ? at.size : 0];
        }),
      );
    }
  };

function* chunksOf<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let first = 0; first < items.length; first += size) yield items.slice(first, first + size);
}
