import type { CondemnedManifest, ManifestAt } from '../domain/artifact/decider.ts';
import type { BlobAt, CondemnedBlob } from '../domain/blob/decider.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { type Needed, type RemovalPorts, removal, type Settled } from './remove-unneeded.ts';
import { sweepOrphans } from './sweep-orphans.ts';

export interface CollectGarbage {
  /** Says what would be done, and does nothing. */
  readonly dryRun: boolean;
  /** For how long a blob is kept that nothing needs, after the last that was done for it. */
  readonly graceHours: number;
  /** Whether manifests go that no tag, no index and no subject keeps. */
  readonly untagged: boolean;
  /** For how long they are kept after they lost what kept them. */
  readonly untaggedGraceHours: number;
  /** Between a condemnation and the removal. */
  readonly delayHours: number;
  /** The age from which on stored bytes go that no event names. */
  readonly orphanHours: number;
}

/** Where a page of the views begins. */
export interface Place {
  readonly repository: string;
  readonly digest: string;
}
interface Page<Item> {
  readonly items: readonly Item[];
  /** Undefined at the end. */
  readonly next: Place | undefined;
}
type Sized<At> = At & { readonly size: number };

/** What the views show that a collector asks for; all times are of the database's clock. */
export interface Garbage {
  /** What no manifest needs and is not condemned. */
  unneededBlobs(after: Place, graceHours: number): Promise<Page<Sized<BlobAt>>>;
  /** Resolves when all views show the condemnations, and what came before them. */
  condemnedBlobs(after: Place, delayHours: number): Promise<Page<Sized<CondemnedBlob>>>;
  /** What no index names and whose subject is not there, if it has one; a tag may point at it. */
  unneededManifests(
    after: Place,
    graceHours: number,
  ): Promise<Page<Sized<ManifestAt> & { readonly subject: Digest | null }>>;
  /** As `condemnedBlobs`. */
  condemnedManifests(after: Place, delayHours: number): Promise<Page<Sized<CondemnedManifest>>>;
  /** Those of `keys` that the views, brought up to the log's head, do not name. */
  unknownKeys(entries: readonly { key: string; digest: Digest }[]): Promise<readonly string[]>;
  now(): Promise<Date>;
}

/** One thing that this run has done, or would have in a dry run, and why. What others did meanwhile is not told. */
export interface Finding {
  readonly deed: 'condemned' | 'reprieved' | 'removed';
  readonly kind: 'blob' | 'manifest' | 'orphan';
  /** None for bytes that no event names. */
  readonly repository?: string;
  readonly digest: Digest;
  /** Stored bytes. For a removal those that went with it: none while another repository holds the blob. */
  readonly bytes: number;
  readonly why: string;
}

export interface CollectGarbagePorts extends RemovalPorts {
  readonly store: Pick<BlobStore, 'delete' | 'list' | 'size'>;
  readonly garbage: Garbage;
  /** A new UUID. */
  readonly newCondemnation: () => string;
  /** Is told of everything that happens, as it happens. */
  readonly report: (finding: Finding) => void;
}

const start: Place = { repository: '', digest: '' };
/** With a delay of 0 what falls takes others along; what falls in later rounds is for the next run. */
const maxRounds = 100;

/**
 * Collects garbage while the registry works: removes what was condemned `delayHours` ago and is still not needed, and
 * condemns what is not needed now. All that it has to remember is in the views, so that it can be stopped at any
 * moment and goes on in its next run, and two of them at once do no harm. @throws the reason of `stopping`, aborted.
 */
export const collectGarbage = (ports: CollectGarbagePorts) => {
  const { garbage, contents, newCondemnation, report } = ports;
  const remove = removal(ports);

  return async (settings: CollectGarbage, metadata: Metadata, stopping: AbortSignal): Promise<void> => {
    const { dryRun, delayHours } = settings;
    await settleManifests();
    await settleBlobs();
    if (settings.untagged) await condemnManifests();
    for (let round = 1; settings.untagged && delayHours === 0 && !dryRun && round < maxRounds; round += 1) {
      // An index takes its children along, an image its signatures.
      if ((await settleManifests()) === 0) break;
      await condemnManifests();
    }
    await condemnBlobs();
    if (delayHours === 0 && !dryRun) await settleBlobs();
    await sweepOrphans(ports)(settings, stopping);

    async function* pagesOf<Item>(
      find: (after: Place) => Promise<Page<Item>>,
    ): AsyncGenerator<readonly Item[]> {
      for (let at: Place | undefined = start; at !== undefined; ) {
        stopping.throwIfAborted();
        const page: Page<Item> = await find(at);
        if (page.items.length > 0) yield page.items;
        at = page.next;
      }
    }

    async function condemnBlobs(): Promise<void> {
      for await (const page of pagesOf((after) => garbage.unneededBlobs(after, settings.graceHours))) {
        const fresh = page.map((blob) => ({ ...blob, condemnation: newCondemnation() }));
        const condemned = dryRun ? fresh : await remove.condemnBlobs(fresh, metadata);
        for (const blob of ownOf(fresh, condemned)) tell('condemned', 'blob', blob, reasons.unneeded);
        // What came to be needed meanwhile must not count as absent until the removal.
        if (!dryRun) tellNeeded('blob', condemned, await remove.reprieveNeededBlobs(condemned, metadata));
      }
    }

    async function settleBlobs(): Promise<void> {
      for await (const page of pagesOf((after) => garbage.condemnedBlobs(after, delayHours))) {
        const settled = dryRun
          ? foreseen(page, await contents.neededBlobs(page))
          : await remove.settleBlobs(page, metadata);
        tellSettled('blob', page, settled);
      }
    }

    async function condemnManifests(): Promise<void> {
      const find = (after: Place) => garbage.unneededManifests(after, settings.untaggedGraceHours);
      for await (const candidates of pagesOf(find)) {
        const tagged = new Set((await contents.neededManifests(candidates)).map(nameOf));
        const page = candidates.filter((manifest) => !tagged.has(nameOf(manifest)));
        const fresh = page.map((manifest) => ({ ...manifest, condemnation: newCondemnation() }));
        const condemned = dryRun ? fresh : await remove.condemnManifests(fresh, metadata);
        for (const manifest of ownOf(fresh, condemned)) {
          const { subject } = manifest;
          tell('condemned', 'manifest', manifest, subject === null ? reasons.untagged : reasons.detached);
        }
        if (dryRun) continue;
        const needed = await remove.reprieveNeededManifests(condemned, { referrersStay: true }, metadata);
        tellNeeded('manifest', condemned, needed);
      }
    }

    /** Resolves to how many are gone. */
    async function settleManifests(): Promise<number> {
      let removed = 0;
      for await (const page of pagesOf((after) => garbage.condemnedManifests(after, delayHours))) {
        const settled = dryRun
          ? foreseen(page, [
              ...(await contents.neededManifests(page)),
              ...(await contents.attachedManifests(page)),
            ])
          : await remove.settleManifests(page, { referrersStay: true }, metadata);
        tellSettled('manifest', page, settled);
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
      page: readonly Sized<BlobAt>[],
      settled: readonly Settled[],
    ): void {
      for (const [index, { repository, digest }] of page.entries()) {
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

const reasons = {
  unneeded: 'no manifest of the repository needs it',
  untagged: 'no tag points at it and no index names it',
  detached: 'no tag points at it, and what it refers to is not there',
  still: 'it was condemned, and nothing has needed it since',
  needed: 'it came to be needed',
} as const;

const nameOf = ({ repository, digest }: BlobAt): string => `${repository}@${digest}`;

/** Those that are under their `fresh` condemnation, and not under one of somebody else. */
function ownOf<At extends CondemnedManifest>(fresh: readonly At[], condemned: readonly At[]): readonly At[] {
  const own = new Set(fresh.map(({ condemnation }) => condemnation));
  return condemned.filter(({ condemnation }) => own.has(condemnation));
}

/** What a dry run says of condemned things; the bytes of a blob go only with its last repository. */
function foreseen(page: readonly Sized<BlobAt>[], needed: readonly BlobAt[]): Settled[] {
  const names = new Set(needed.map(nameOf));
  return page.map((at) =>
    names.has(nameOf(at))
      ? { outcome: 'kept', isOwn: true, bytes: 0 }
      : { outcome: 'removed', isOwn: true, bytes: at.size },
  );
}
