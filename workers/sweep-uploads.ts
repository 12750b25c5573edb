import { type BlobStore, UploadBusy, UploadNotFound } from '../infra/blob-store/port.ts';
import { type Doing, keepDoing } from './keep-doing.ts';

/** How long it is remembered that an upload was finished, for a client that sends its last request again. */
const rememberedMs = 30 * 60_000;
const forgetEveryMs = 10 * 60_000;

export interface SweepUploads {
  /** An upload goes when nobody has been at work on it for this long. */
  readonly ageMs: number;
  readonly dryRun: boolean;
}

export interface Swept {
  /** The uploads that were dropped, or would have been. */
  readonly expired: number;
  /** Those that are old enough, but that a request of this process is at work on. */
  readonly busy: number;
}

export interface SweepUploadsPorts {
  readonly store: Pick<BlobStore, 'listUploads' | 'expireUpload'>;
  now(): Date;
  /** Ends the sweep before the next upload. */
  readonly stopping?: AbortSignal;
}

/**
 * Drops the uploads that nobody goes on with, with their bytes: also what a process that died left of a push in one
 * request, which has no repository. Several processes may do so at once; each upload is dropped by one of them.
 */
export const sweepUploads =
  ({ store, now, stopping }: SweepUploadsPorts) =>
  async ({ ageMs, dryRun }: SweepUploads): Promise<Swept> => {
    const idleSince = new Date(now().getTime() - ageMs);
    let expired = 0;
    let busy = 0;
    for await (const { id, lastActivityAt } of store.listUploads()) {
      if (stopping?.aborted) break;
      if (lastActivityAt > idleSince) continue;
      if (dryRun) {
        expired += 1;
        continue;
      }
      try {
        // The store looks again, since somebody may have gone on with it just now.
        if (await store.expireUpload(id, idleSince)) expired += 1;
      } catch (error) {
        if (error instanceof UploadBusy) busy += 1;
        // Finished, cancelled, or dropped by another process meanwhile.
        else if (!(error instanceof UploadNotFound)) throw error;
      }
    }
    return { expired, busy };
  };

export interface SweepingPorts {
  readonly store: BlobStore;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
  readonly settings: {
    readonly enabled: boolean;
    /** Milliseconds, as `interval`. */
    readonly age: number;
    readonly interval: number;
    readonly dryrun: boolean;
  };
}

/** Sweeps now and at every interval until it is stopped; what fails is logged and done again at the next one. */
export function keepSweepingUploads({ store, logger, settings }: SweepingPorts): Doing {
  const { enabled, age: ageMs, interval, dryrun: dryRun } = settings;
  const onFailure = (error: unknown) =>
    logger.warn({ err: error }, 'the abandoned uploads cannot be swept now');

  const forgetting = keepDoing(
    forgetEveryMs,
    async () => {
      await store.forgetFinished(new Date(Date.now() - rememberedMs));
    },
    onFailure,
  );
  if (!enabled) return forgetting;
  const sweeping = keepDoing(
    interval,
    async (stopping) => {
      const swept = await sweepUploads({ store, now: () => new Date(), stopping })({ ageMs, dryRun });
      if (swept.expired > 0)
        logger.info(swept, dryRun ? 'abandoned uploads would be removed' : 'abandoned uploads were removed');
    },
    onFailure,
  );
  return {
    async stop() {
      await Promise.all([forgetting.stop(), sweeping.stop()]);
    },
  };
}
