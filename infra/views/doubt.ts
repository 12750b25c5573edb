import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../database/connect.ts';
import { DatabaseUnavailable } from '../database/outage.ts';
import type { AnyProjection } from '../database/projection.ts';
import type { EventLog } from '../event-log/port.ts';
import { readStatus } from './checkpoints.ts';

/** How often views that may have gone back are looked at, in milliseconds. */
const lookMs = 50;

export interface DoubtOptions {
  readonly log: Pick<EventLog, 'head'>;
  readonly database: Pick<Database, 'pool'>;
  readonly projections: readonly AnyProjection[];
  /** Ends the looking. */
  readonly closing: AbortSignal;
}

/**
 * Whether the views may be behind what they have shown. Their commits are not durable at once, so a crash of their
 * database takes back the last of them, and who drops it takes back everything. From the first sign of that until
 * they are at the log's head again, an answer from them could deny what was acknowledged.
 */
export class Doubt {
  readonly #options: DoubtOptions;
  #raised = 0;
  #settling: Promise<void> | undefined;

  constructor(options: DoubtOptions) {
    this.#options = options;
  }

  raise(): void {
    this.#raised += 1;
    this.#settling ??= this.#settle();
  }

  /** @throws DatabaseUnavailable while there is a doubt. */
  requireNone(): void {
    if (this.#settling === undefined) return;
    throw new DatabaseUnavailable('the views may be behind what they have shown');
  }

  /** Resolves when there is no doubt, or when the looking has ended. */
  async settled(): Promise<void> {
    await this.#settling;
  }

  async #settle(): Promise<void> {
    const { log, closing } = this.#options;
    let seen: number | undefined;
    let head: bigint | undefined;
    while (!closing.aborted) {
      if (seen !== this.#raised) head = undefined;
      seen = this.#raised;
      try {
        // Once a doubt: all that was acknowledged before it is below, and who writes later waits for that himself.
        head ??= await log.head();
        if ((await this.#areAt(head)) && seen === this.#raised) break;
      } catch {
        // The log or the views are away still; the next look may find them.
      }
      await sleep(lookMs, undefined, { signal: closing }).catch(() => undefined);
    }
    this.#settling = undefined;
  }

  async #areAt(head: bigint): Promise<boolean> {
    const { database, projections } = this.#options;
    const statuses = await readStatus(database.pool, projections);
    return statuses.every(({ position, stoppedAt }) => position >= head || stoppedAt !== null);
  }
}
