import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DamagedManifest } from '../domain/artifact/decider.ts';
import type { DamagedBlob } from '../domain/blob/decider.ts';
import { algorithmOf, type Digest, digestFrom } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import { BlobNotFound, type BlobStore } from '../infra/blob-store/port.ts';

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

export interface Scrubbed {
  readonly blobs: number;
  readonly manifests: number;
  readonly bytes: number;
  readonly damages: readonly Damage[];
  /** Where to go on; undefined when everything was looked at. */
  readonly next: ScrubPlace | undefined;
}

export interface ScrubPorts {
  readonly store: Pick<BlobStore, 'open'>;
  /** In order, and all blobs before the manifests; empty at the end. */
  contentsAfter(place: ScrubPlace | undefined): Promise<readonly StoredContent[]>;
  readonly damaged: {
    ofBlob(blob: DamagedBlob, metadata: Metadata): Promise<boolean>;
    ofManifest(manifest: DamagedManifest, metadata: Metadata): Promise<boolean>;
  };
  onProgress(progress: Scrubbed): void;
}

export interface Scrub {
  /** How much is read at most, in bytes a second. */
  readonly bytesPerSecond: number;
  readonly after?: ScrubPlace | undefined;
}

/**
 * Reads all stored blobs and manifests that the views name, and compares their sizes and digests. What is wrong or not
 * there is recorded, so that it is answered as absent until somebody pushes it again. Nothing else is changed.
 */
export const scrub =
  ({ store, contentsAfter, damaged, onProgress }: ScrubPorts) =>
  async ({ bytesPerSecond, after }: Scrub, metadata: Metadata, stopping: AbortSignal): Promise<Scrubbed> => {
    const pace = pacer(bytesPerSecond, stopping);
    const damages: Damage[] = [];
    const seen = { blobs: 0, manifests: 0, bytes: 0 };
    let place = after;
    for (;;) {
      const page = await contentsAfter(place);
      if (page.length === 0) return { ...seen, damages, next: undefined };
      for (const content of page) {
        if (stopping.aborted) return { ...seen, damages, next: place };
        if (content.fault !== null) damages.push({ ...content, fault: content.fault, isKnown: true });
        else {
          const fault = await faultOf(content);
          if (stopping.aborted) return { ...seen, damages, next: place };
          if (fault !== undefined && (await tell(content, fault)))
            damages.push({ ...content, fault, isKnown: false });
        }
        if (content.repository === undefined) seen.blobs += 1;
        else seen.manifests += 1;
        const { repository, digest } = content;
        place = { digest, ...(repository !== undefined && { repository }) };
        onProgress({ ...seen, damages, next: place });
      }
    }

    async function faultOf({ key, digest, size }: StoredContent): Promise<string | undefined> {
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
        throw error;
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
