import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DamagedManifest } from '../domain/artifact/decider.ts';
import type { DamagedBlob } from '../domain/blob/decider.ts';
import { algorithmOf, type Digest, digestFrom } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import { BlobNotFound, type BlobStore, StoreUnavailable } from '../infra/blob-store/port.ts';

/** Bytes that the views name. */
export interface StoredContent {
  /** None for a blob, which may be in many. */
  readonly repository?: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly key: string;
  /** What an earlier look found. */
  readonly fault: string | null;
}

/** Where the next page begins: after this manifest, or after this blob where there is no repository. */
export interface ScrubPlace {
  readonly repository?: string;
  readonly digest: string;
}

export interface Damage extends StoredContent {
  readonly fault: string;
  /** Whether an earlier look had found it. */
  readonly isKnown: boolean;
}

/** Bytes that the store failed to read, although it was there: what they are, nobody knows. */
export interface Unreadable extends StoredContent {
  readonly error: StoreUnavailable;
}

export interface ScrubProgress {
  readonly blobs: number;
  readonly manifests: number;
  readonly bytes: number;
  readonly damages: readonly Damage[];
  readonly unreadable: readonly Unreadable[];
  /** Where to go on; undefined at the very beginning, and when everything was looked at. */
  readonly next: ScrubPlace | undefined;
}

export interface Scrubbed extends ScrubProgress {
  readonly status: 'completed' | 'stopped' | 'failed';
  /** Why it could not go on. */
  readonly failure?: unknown;
}

export interface ScrubPorts {
  readonly store: Pick<BlobStore, 'open'>;
  /** In order, and all blobs before the manifests; empty at the end. */
  contentsAfter(place: ScrubPlace | undefined): Promise<readonly StoredContent[]>;
  readonly damaged: {
    ofBlob(blob: DamagedBlob, metadata: Metadata): Promise<boolean>;
    ofManifest(manifest: DamagedManifest, metadata: Metadata): Promise<boolean>;
  };
  onProgress(progress: ScrubProgress): void;
}

export interface Scrub {
  /** How much is read at most, in bytes a second. */
  readonly bytesPerSecond: number;
  readonly after?: ScrubPlace | undefined;
}

/** When the store fails to read more than this one after the other, it is away, and none of them is at fault. */
const mostDoubtful = 5;

/**
 * Reads all stored blobs and manifests that the views name, and compares their sizes and digests. What is wrong or not
 * there is recorded, so that it is answered as absent until somebody pushes it again. Nothing else is changed. What
 * cannot be read is told and passed over, as long as the store reads others. Never rejects: whatever fails, the result
 * says what was found, and where to go on.
 */
export const scrub =
  ({ store, contentsAfter, damaged, onProgress }: ScrubPorts) =>
  async ({ bytesPerSecond, after }: Scrub, metadata: Metadata, stopping: AbortSignal): Promise<Scrubbed> => {
    const pace = pacer(bytesPerSecond, stopping);
    const damages: Damage[] = [];
    const unreadable: Unreadable[] = [];
    const seen = { blobs: 0, manifests: 0, bytes: 0 };
    let next = after;
    /** What could not be read, while nothing was read since: either they are at fault, or the store is away. */
    let doubtful: Unreadable[] = [];
    let lastRead: StoredContent | undefined;
    const soFar = (): ScrubProgress => ({ ...seen, damages, unreadable, next });

    try {
      for await (const content of contents()) {
        if (stopping.aborted) return { ...soFar(), status: 'stopped' };
        const fault = content.fault ?? (await faultOf(content));
        if (stopping.aborted) return { ...soFar(), status: 'stopped' };
        if (fault instanceof StoreUnavailable) doubt(content, fault);
        else if (content.fault !== null) damages.push({ ...content, fault: content.fault, isKnown: true });
        else if (fault !== undefined && (await tell(content, fault)))
          damages.push({ ...content, fault, isKnown: false });
        if (content.repository === undefined) seen.blobs += 1;
        else seen.manifests += 1;
        if (doubtful.length === 0) next = placeOf(content);
        onProgress(soFar());
      }
      const [first] = doubtful;
      if (first !== undefined && !(await readsAgain())) throw first.error;
      trustStore();
      return { ...soFar(), next: undefined, status: 'completed' };
    } catch (failure) {
      // It may be hours of work, which nobody should have to repeat.
      return { ...soFar(), status: 'failed', failure };
    }

    async function* contents(): AsyncGenerator<StoredContent> {
      for (let place = after; ; ) {
        const page = await contentsAfter(place);
        yield* page;
        const last = page.at(-1);
        if (last === undefined) return;
        place = placeOf(last);
      }
    }

    function doubt(content: StoredContent, error: StoreUnavailable): void {
      doubtful.push({ ...content, error });
      if (doubtful.length > mostDoubtful) throw doubtful[0]?.error;
    }

    /** The store is there, since it reads: what it could not read before is at fault itself. */
    function trustStore(): void {
      unreadable.push(...doubtful);
      doubtful = [];
    }

    /** Whether the store still reads what it read before, where nothing comes that would show it. */
    async function readsAgain(): Promise<boolean> {
      if (lastRead === undefined) return false;
      try {
        const bytes = await store.open(lastRead.key, { start: 0, end: 0 });
        return (await Array.fromAsync(bytes)).length > 0;
      } catch (error) {
        if (error instanceof StoreUnavailable || error instanceof BlobNotFound) return false;
        throw error;
      }
    }

    /** Undefined for bytes that are as they should be; `StoreUnavailable` where that cannot be told. */
    async function faultOf(content: StoredContent): Promise<string | StoreUnavailable | undefined> {
      const { key, digest, size } = content;
      const hash = createHash(algorithmOf(digest));
      let length = 0;
      try {
        for await (const chunk of (await store.open(key)) as AsyncIterable<Uint8Array>) {
          hash.update(chunk);
          length += chunk.length;
          seen.bytes += chunk.length;
          await pace(chunk.length);
          if (stopping.aborted) return undefined;
        }
      } catch (error) {
        if (error instanceof BlobNotFound) return 'the bytes are missing';
        if (error instanceof StoreUnavailable) return error;
        throw error;
      }
      if (length > 0) {
        lastRead = content;
        trustStore();
      }
      if (length !== size) return `there are ${length} bytes, not ${size}`;
      const actual = digestFrom(algorithmOf(digest), hash.digest('hex'));
      return actual === digest ? undefined : `the bytes have the digest ${actual}`;
    }

    function tell({ repository, digest, key }: StoredContent, fault: string): Promise<boolean> {
      const damage = { digest, key, fault };
      return repository === undefined
        ? damaged.ofBlob(damage, metadata)
        : damaged.ofManifest({ ...damage, repository }, metadata);
    }
  };

const placeOf = ({ repository, digest }: StoredContent): ScrubPlace => ({
  digest,
  ...(repository !== undefined && { repository }),
});

/** A pause shorter than this is taken with the next one, in milliseconds. */
const shortestPauseMs = 20;
/** What was not read in time may be made up for within this, in milliseconds. */
const burstMs = 1000;

/** Lets `bytesPerSecond` through: resolves when as many bytes as it was told of may have been read. */
function pacer(bytesPerSecond: number, stopping: AbortSignal): (bytes: number) => Promise<void> {
  let dueAt = performance.now();
  return async (bytes) => {
    dueAt = Math.max(dueAt, performance.now() - burstMs) + (bytes * 1000) / bytesPerSecond;
    const pauseMs = dueAt - performance.now();
    if (pauseMs > shortestPauseMs)
      await sleep(pauseMs, undefined, { signal: stopping }).catch(() => undefined);
  };
}
