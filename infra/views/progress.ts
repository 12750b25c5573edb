import type { Database } from '../database/connect.ts';
import { schemaOf } from '../database/projection.ts';
import { Wake } from '../event-log/wake.ts';
import { progressChannel, readCheckpoints } from './checkpoints.ts';
import { type ViewName, ViewsBehind } from './port.ts';

/** How often a waiting process looks for itself, in case a notification was lost; milliseconds. */
const lookMs = 200;

/**
 * How far the views are, as this process knows: from its own commits at once, from other processes by notification,
 * and by looking where neither came.
 */
export class Progress {
  readonly #positions = new Map<string, bigint>();
  readonly #stopped = new Set<string>();
  readonly #wake = new Wake();
  readonly #database: Database;
  readonly #waitMs: number;

  constructor(database: Database, waitMs: number) {
    this.#database = database;
    this.#waitMs = waitMs;
  }

  /** Hears what other processes commit, until the returned listener is closed. */
  listen(): Promise<{ close(): Promise<void> }> {
    return this.#database.listen(progressChannel, (payload: string) => {
      if (payload === '') return;
      for (const [schema, position] of Object.entries(JSON.parse(payload))) {
        this.advance(schema, BigInt(position as string));
      }
    });
  }

  advance(schema: string, position: bigint): void {
    this.#stopped.delete(schema);
    if (position <= (this.#positions.get(schema) ?? -1n)) return;
    this.#positions.set(schema, position);
    this.#wake.raise();
  }

  /** The view will not move before an operator acts; those who wait for it need not wait longer. */
  stop(schema: string): void {
    this.#stopped.add(schema);
    this.#wake.raise();
  }

  /** The views may have gone back: what is known of them counts no more. */
  forget(): void {
    this.#positions.clear();
  }

  positionOf(schema: string): bigint {
    return this.#positions.get(schema) ?? 0n;
  }

  /** @throws ViewsBehind */
  async reached(position: bigint, views: readonly ViewName[]): Promise<void> {
    const schemas = views.map(schemaOf);
    const deadline = performance.now() + this.#waitMs;
    for (;;) {
      const seen = this.#wake.count;
      const behind = schemas.filter((schema) => this.positionOf(schema) < position);
      if (behind.length === 0) return;
      const stopped = behind.filter((schema) => this.#stopped.has(schema));
      if (stopped.length > 0)
        throw new ViewsBehind(`stopped before position ${position}: ${stopped.join(', ')}`);
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new ViewsBehind(`not yet at position ${position}: ${behind.join(', ')}`);
      await this.#wake.wait(seen, Math.min(lookMs, leftMs));
      if (this.#wake.count === seen) await this.#look(behind);
    }
  }

  async #look(schemas: readonly string[]): Promise<void> {
    // Where the database is away the wait goes on; the deadline ends it.
    const checkpoints = await readCheckpoints(this.#database.pool, schemas).catch(() => new Map());
    for (const [schema, { position }] of checkpoints) this.advance(schema, position);
  }
}
