import type { Configuration } from '../domain/configuration/items.ts';
import type { Metadata } from '../domain/event.ts';
import { type Pulled, pullsStream } from '../domain/pull/events.ts';
import type { BackgroundRecorder } from './record-in-background.ts';

/** What was pulled; who did stands in the metadata. */
export type Pull = Omit<Pulled, 'pulledAt' | 'timed' | 'counted'>;

/** Notes a pull; returns at once, and never fails. */
export type RecordPull = (pull: Pull, metadata: Metadata) => void;

type PullSettings = Pick<
  Configuration,
  'pull_time_update_disable' | 'pull_count_update_disable' | 'scanner_skip_update_pulltime'
>;

export interface PullPorts {
  readonly background: Pick<BackgroundRecorder, 'record'>;
  /** What the settings are; read once for all pulls that come meanwhile. */
  settings(): Promise<PullSettings>;
  /** What they are taken for while they cannot be read. */
  readonly standard: PullSettings;
  onDropped(events: number): void;
}

/** Pulls that wait for the settings, which are in memory unless something is wrong. */
const maxWaiting = 10_000;

/** Harbor's scanners have robot accounts whose names begin so, after that of the project. */
const scanner = /^robot:(?:[^+]+\+)?scanner-/;

/**
 * The settings count as they are when a pull is recorded, and are part of the event: whoever builds the views again
 * comes to the same, also where the settings are those of the deployment, which are in no event.
 */
export function pullRecorder({ background, settings, standard, onDropped }: PullPorts): RecordPull {
  let waiting: { readonly pull: Pull; readonly metadata: Metadata; readonly at: Date }[] = [];
  let known = standard;

  async function work(): Promise<void> {
    // What they were last is better than nothing.
    known = await settings().catch(() => known);
    const all = waiting;
    waiting = [];
    for (const { pull, metadata, at } of all) {
      const counts = !(known.scanner_skip_update_pulltime && scanner.test(metadata.actor));
      const data: Pulled = {
        ...pull,
        pulledAt: at.toISOString(),
        timed: counts && !known.pull_time_update_disable,
        counted: counts && !known.pull_count_update_disable,
      };
      background.record(pullsStream(at), { type: 'ArtifactPulled', data }, metadata);
    }
  }

  return (pull, metadata) => {
    if (waiting.length >= maxWaiting) return onDropped(1);
    waiting.push({ pull, metadata, at: new Date() });
    if (waiting.length === 1) void work();
  };
}
