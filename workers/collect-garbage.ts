import type { CollectGarbage, CollectionProgress, Finding } from '../commands/garbage.ts';
import { happened, type Recorder } from '../commands/record.ts';
import type { Metadata } from '../domain/event.ts';
import { type GarbageCollectionEvent, garbageRunStream } from '../domain/garbage-collection/events.ts';

/** What a run did, or would have done in a dry run. */
export interface GarbageRun {
  readonly run: string;
  readonly status: 'completed' | 'stopped' | 'failed';
  readonly condemned: number;
  readonly reprieved: number;
  readonly blobs: number;
  readonly manifests: number;
  readonly orphans: number;
  /** Stored bytes that were deleted. */
  readonly bytes: number;
  readonly durationMs: number;
}

/** How a run is done, and who is told of it. */
export interface Collecting {
  /** How many condemnations and removals are under way at once. */
  readonly workers?: number | undefined;
  /** The id of the run, a UUID: one that is begun again after a crash has the same. Without it, a new one. */
  readonly run?: string | undefined;
  /** Is told of everything that happens, as it happens. */
  readonly onFinding?: ((finding: Finding) => void) | undefined;
  readonly onProgress?: ((progress: CollectionProgress) => void) | undefined;
  /** Is told why the run failed. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
}

type Watching = Pick<Collecting, 'workers' | 'onProgress'> & { report(finding: Finding): void };

interface Ports {
  readonly record: Recorder;
  collect(
    watching: Watching,
  ): (settings: CollectGarbage, metadata: Metadata, stopping: AbortSignal) => Promise<void>;
  /** What `collect` would do. */
  foresee(watching: Watching): (settings: CollectGarbage, stopping: AbortSignal) => Promise<void>;
  /** Runs `work` where nobody else collects, undefined where somebody does; see `aloneIn`. */
  alone<Result>(work: (lost: AbortSignal) => Promise<Result>): Promise<Result | undefined>;
  /** A new UUID. */
  newRunId(): string;
}

/** Resolves to what the run did, or to undefined where another collector is at work. */
export type RunGarbageCollection = (
  settings: CollectGarbage,
  stopping: AbortSignal,
  collecting?: Collecting,
) => Promise<GarbageRun | undefined>;

/**
 * One run of the collector, between the two events that say so. Every event that it causes carries the run's id. A dry
 * run records nothing, not even itself.
 */
export const garbageCollection =
  ({ record, collect, foresee, alone, newRunId }: Ports): RunGarbageCollection =>
  (settings, stopping, { run = newRunId(), onFinding, onFailure, ...watching } = {}) =>
    alone(async (lost) => {
      const metadata: Metadata = { actor: 'system', correlationId: run };
      const startedAt = performance.now();
      const counts = { condemned: 0, reprieved: 0, blobs: 0, manifests: 0, orphans: 0, bytes: 0 };

      await tell({ type: 'GarbageCollectionStarted', data: { run, ...settings } });
      const status = await collectUntilStopped();
      const durationMs = Math.round(performance.now() - startedAt);
      const finished: GarbageRun = { run, status, ...counts, durationMs };
      await tell({ type: 'GarbageCollectionFinished', data: finished });
      return finished;

      async function collectUntilStopped(): Promise<GarbageRun['status']> {
        const signal = AbortSignal.any([stopping, lost]);
        const watched = { ...watching, report: count };
        try {
          if (settings.dryRun) await foresee(watched)(settings, signal);
          else await collect(watched)(settings, metadata, signal);
          return 'completed';
        } catch (error) {
          if (stopping.aborted) return 'stopped';
          onFailure?.(error);
          return 'failed';
        }
      }

      function count(finding: Finding): void {
        const { deed, kind, bytes } = finding;
        if (deed === 'condemned') counts.condemned += 1;
        else if (deed === 'reprieved') counts.reprieved += 1;
        else {
          counts[`${kind}s`] += 1;
          counts.bytes += bytes;
        }
        onFinding?.(finding);
      }

      async function tell(event: GarbageCollectionEvent): Promise<void> {
        if (!settings.dryRun) await record(metadata, happened(garbageRunStream(run), event));
      }
    });
