import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../database/connect.ts';
import { schemaOf } from '../database/projection.ts';
import { Wake } from '../event-log/wake.ts';
import { type Checkpoint, progressChannel, readCheckpoints } from './checkpoints.ts';
import { type ViewName, ViewsBehind } from './port.ts';

/** How often a waiting process looks for itself, in case a notification was lost; milliseconds. */
const lookMs = 200;

type Known = Pick<Checkpoint, 'position' | 'stoppedAt'>;

/**
 * How far the views are, as this process knows: from its own commits at once, from other processes by notification,
 * and by looking where neither came. A view only moves forward, unless it is lost and built again from the start:
 * then what was known is forgotten, or a wait would end before the rows are there.
 */
export class Progress {
  readonly #known = new Map<string, Known>();
  readonly #wake = new Wake();
  readonly #database: Database;
  readonly #waitMs: number;
  /** Grows whenever something is forgotten: what was read before may be about rows that are gone. */
  #forgotten = 0;
  #looking: Promise<void> | undefined;

  constructor(database: Database, waitMs: number) {
    this.#database = database;
    this.#waitMs = waitMs;
  }

  /** Hears what other processes commit, until the returned listener is closed. */
  listen(): Promise<{ close(): Promise<void> }> {
    return this.#database.listen(progressChannel, (payload: string) => {
      const told = parse(payload);
      if (told === undefined) return this.forget();
      for (const [schema, position] of told) {
        if (position === null) this.forget(schema);
        else this.advance(schema, { position, stoppedAt: null });
      }
    });
  }

  /** How often something was forgotten. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** What is known of a view's position without waiting; where nothing is, a look begins. */
  knownPosition(view: ViewName): bigint | undefined {
    const known = this.#known.get(schemaOf(view));
    if (known === undefined) void this.#look();
    return known?.position;
  }

  /** Notifications and readings may arrive in any order; the one that is furthest counts. */
  advance(schema: string, { position, stoppedAt }: Known): void {
    const known = this.#known.get(schema);
    if (known !== undefined && position < known.position) return;
    const tellsMore = stoppedAt !== null && stoppedAt !== known?.stoppedAt;
    if (position === known?.position && !tellsMore) return;
    this.#known.set(schema, { position, stoppedAt });
    this.#wake.raise();
  }

  /** The view, or every view, may have started over: only a look at its checkpoint tells. */
  forget(schema?: string): void {
    this.#forgotten += 1;
    if (schema === undefined) this.#known.clear();
    else this.#known.delete(schema);
    this.#wake.raise();
  }

  /** @throws ViewsBehind */
  async reached(position: bigint, views: readonly ViewName[]): Promise<void> {
    const stopped = await this.#settled(position, views.map(schemaOf), 'any', this.#waitMs);
    if (stopped.length > 0)
      throw new ViewsBehind(`stopped before position ${position}: ${stopped.join(', ')}`);
  }

  /** Resolves when each of `views` has reached `position` or has stopped before it, or on abort. */
  async settled(position: bigint, views: readonly ViewName[], signal: AbortSignal): Promise<void> {
    await this.#settled(position, views.map(schemaOf), 'all', Number.POSITIVE_INFINITY, signal);
  }

  /** Waits until nothing is left to wait for, or until `any` of the views has stopped; returns the stopped ones. */
  async #settled(
    position: bigint,
    schemas: readonly string[],
    until: 'any' | 'all',
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<readonly string[]> {
    const deadline = performance.now() + waitMs;
    for (let looked = false; ; looked = true) {
      const seen = this.#wake.count;
      const behind = schemas.filter((schema) => (this.#known.get(schema)?.position ?? -1n) < position);
      const stopped = behind.filter((schema) => this.#hasStopped(schema, position));
      if (stopped.length === behind.length || (until === 'any' && stopped.length > 0)) return stopped;
      if (signal?.aborted) return stopped;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new ViewsBehind(`not yet at position ${position}: ${behind.join(', ')}`);
      if (looked || behind.every((schema) => this.#known.has(schema)))
        await this.#wake.wait(seen, Math.min(lookMs, leftMs), signal);
      // The deadline counts also where the database does not answer.
      if (this.#wake.count === seen)
        await within(Math.min(deadline - performance.now(), 2 ** 30), this.#look());
    }
  }

  #hasStopped(schema: string, position: bigint): boolean {
    const stoppedAt = this.#known.get(schema)?.stoppedAt ?? null;
    return stoppedAt !== null && stoppedAt <= position;
  }

  /** One look serves all who wait, so that a thousand waiting requests do not ask a thousand times. */
  #look(): Promise<void> {
    this.#looking ??= this.#readCheckpoints().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #readCheckpoints(): Promise<void> {
    const before = this.#forgotten;
    // Where the database is away the wait goes on; the deadline ends it.
    const checkpoints = await readCheckpoints(this.#database.pool).catch(() => new Map<string, Checkpoint>());
    if (this.#forgotten > before) return;
    for (const [schema, checkpoint] of checkpoints) this.advance(schema, checkpoint);
  }
}

/** What a notification says, or undefined where it says nothing that we understand: anybody may send one. */
function parse(payload: string): [string, bigint | null][] | undefined {
  try {
    const entries = Object.entries(JSON.parse(payload) as Record<string, string | null>);
    return entries.map(([schema, position]) => [schema, position === null ? null : BigInt(position)]);
  } catch {
    return undefined;
  }
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  const timer = sleep(Math.max(0, ms), undefined, { signal: done.signal }).catch(() => undefined);
  await Promise.race([work, timer]);
  done.abort();
}
