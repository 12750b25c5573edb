import { setTimeout as sleep } from 'node:timers/promises';
import type { Configuration } from '../domain/configuration/items.ts';
import type { Metadata } from '../domain/event.ts';
import { type Pulled, pullsStream } from '../domain/pull/events.ts';
import type { BackgroundRecorder } from './record-in-background.ts';

/** What was pulled; who did stands in the metadata. */
export type Pull = Omit<Pulled, 'pulledAt' | 'times' | 'timed' | 'counted'>;

/** Notes a pull; returns at once, and never fails. */
export type RecordPull = (pull: Pull, metadata: Metadata) => void;

type PullSettings = Pick<
  Configuration,
  'pull_time_update_disable' | 'pull_count_update_disable' | 'scanner_skip_update_pulltime'
>;

export interface PullPorts {
  readonly background: BackgroundRecorder;
  /** What the settings are; read once for all pulls that were gathered. */
  settings(): Promise<PullSettings>;
  /** What they are taken for until they can be read. */
  readonly standard: PullSettings;
  /** How long pulls are gathered, in milliseconds. */
  readonly gatherMs?: number;
  /** How long the settings are waited for, in milliseconds. */
  readonly settingsMs?: number;
  onDropped(events: number): void;
}

export interface PullRecorder {
  readonly record: RecordPull;
  /** Records what was gathered, for a bounded time, and takes nothing more. */
  close(): Promise<void>;
}

/** Pulls of different things or by different people that are gathered at a time. */
const maxGathered = 10_000;
/** An append, and what the views do with it, costs as much for one event as for many. */
const usualGatherMs = 250;
const usualSettingsMs = 2000;

/** Harbor's scanners have robot accounts whose names begin so, after that of the project. */
const scanner = /^robot:(?:[^+]+\+)?scanner-/;

interface Gathered {
  readonly pull: Pull;
  /** Of the first request. */
  readonly metadata: Metadata;
  lastAt: number;
  times: number;
}

/**
 * Gathers pulls for a moment. What one client reads again and again meanwhile becomes one event that says how often: it
 * fills no log, however fast it is. A pull costs the request that it comes with a look into a map.
 *
 * The settings count as they are when a pull is recorded, and are part of the event: whoever builds the views again
 * comes to the same, also where the settings are those of the deployment, which are in no event.
 */
export function pullRecorder(ports: PullPorts): PullRecorder {
  const { background, standard, gatherMs = usualGatherMs, settingsMs = usualSettingsMs, onDropped } = ports;
  let gathered = new Map<string, Gathered>();
  let known = standard;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> = Promise.resolve();

  /** One after the other, so that who waits for the last has waited for all. */
  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    flushing = flushing.then(recordGathered);
    return flushing;
  }

  async function recordGathered(): Promise<void> {
    const all = gathered;
    gathered = new Map();
    if (all.size > 0) known = await settings();
    for (const { pull, metadata, lastAt, times } of all.values()) {
      const at = new Date(lastAt);
      const counts = !(known.scanner_skip_update_pulltime && scanner.test(metadata.actor));
      const data: Pulled = {
        ...pull,
        pulledAt: at.toISOString(),
        ...(times > 1 && { times }),
        timed: counts && !known.pull_time_update_disable,
        counted: counts && !known.pull_count_update_disable,
      };
      background.record(pullsStream(at), { type: 'ArtifactPulled', data }, metadata);
    }
  }

  /** What they were last is better than nothing, and than pulls that wait and are lost. */
  async function settings(): Promise<PullSettings> {
    const patience = new AbortController();
    const late = sleep(settingsMs, known, { signal: patience.signal, ref: false }).catch(() => known);
    try {
      return await Promise.race([ports.settings(), late]);
    } catch {
      return known;
    } finally {
      patience.abort();
    }
  }

  return {
    record(pull, metadata) {
      const key = keyOf(pull, metadata);
      const same = gathered.get(key);
      if (same !== undefined) {
        same.times += 1;
        same.lastAt = Date.now();
        return;
      }
      if (closed || gathered.size >= maxGathered) return onDropped(1);
      gathered.set(key, { pull, metadata, lastAt: Date.now(), times: 1 });
      timer ??= setTimeout(() => void flush(), gatherMs);
    },

    async close() {
      closed = true;
      await flush();
      await background.close();
    },
  };
}

/** The same for pulls of the same that the same client makes for the same account. */
const keyOf = ({ repository, digest, tag }: Pull, { actor, accessToken, clientIp, userAgent }: Metadata) =>
  `${repository}\n${digest}\n${tag}\n${actor}\n${accessToken}\n${clientIp}\n${userAgent}`;
