import type { ClientBase } from 'pg';
import type { Catalogue } from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { isOutage } from '../database/outage.ts';
import { isBeingBuilt, type ViewDatabase } from '../database/projection.ts';
import { applyBatch, kyselyOn, type Member } from './apply.ts';
import { areThere } from './build.ts';
import { CheckpointMoved, recordStop } from './checkpoints.ts';

/** A projection met an event that it cannot apply. */
export interface Stop {
  readonly member: Member;
  readonly event: RecordedEvent;
  readonly error: unknown;
}

/**
 * Drives several builds forward on one connection and through one reading of the log. In the normal case all take
 * part in one transaction per batch. When one of them fails, each is tried alone, and the one at fault is taken out
 * of the lane just before the event that it cannot apply, while the others go on.
 */
export class Lane {
  readonly #client: ClientBase;
  readonly #db: ViewDatabase;
  readonly #catalogue: Catalogue;
  readonly #onStop: (stop: Stop) => void;
  #members: Member[];

  constructor(options: {
    client: ClientBase;
    catalogue: Catalogue;
    members: readonly Member[];
    onStop: (stop: Stop) => void;
  }) {
    this.#client = options.client;
    this.#db = kyselyOn(options.client);
    this.#catalogue = options.catalogue;
    this.#members = [...options.members];
    this.#onStop = options.onStop;
  }

  /** The builds that still run. */
  get members(): readonly Member[] {
    return this.#members;
  }

  /** Where a reading of the log must start so that no member misses an event. */
  get start(): bigint {
    return this.#members
      .map(({ position }) => position)
      .reduce((a, b) => (a < b ? a : b), this.#members[0]?.position ?? 0n);
  }

  /**
   * Applies one batch to all members.
   * @throws CheckpointMoved, or the database's error when it is an outage; the batch may then be tried again.
   */
  async apply(events: readonly RecordedEvent[]): Promise<void> {
    const upTo = events.at(-1)?.position;
    if (upTo === undefined || this.#members.length === 0) return;
    try {
      await applyBatch(this.#client, this.#db, this.#catalogue, this.#members, events, upTo);
    } catch (error) {
      await this.#throwUnlessAtFault(error);
      for (const member of [...this.#members]) await this.#applyAlone(member, events, upTo);
    }
  }

  async #applyAlone(member: Member, events: readonly RecordedEvent[], upTo: bigint): Promise<void> {
    try {
      await applyBatch(this.#client, this.#db, this.#catalogue, [member], events, upTo);
    } catch (error) {
      await this.#throwUnlessAtFault(error);
      await this.#applyUpToFault(member, events);
    }
  }

  async #applyUpToFault(member: Member, events: readonly RecordedEvent[]): Promise<void> {
    for (const event of events) {
      if (event.position <= member.position) continue;
      try {
        await applyBatch(this.#client, this.#db, this.#catalogue, [member], [event], event.position);
      } catch (error) {
        await this.#throwUnlessAtFault(error);
        await recordStop(this.#client, member, event.position, error);
        this.#members = this.#members.filter((other) => other !== member);
        this.#onStop({ member, event, error });
        return;
      }
    }
  }

  /** Throws what is not to be blamed on the events or their projection. */
  async #throwUnlessAtFault(error: unknown): Promise<void> {
    if (isTransient(error)) throw error;
    if (!isBeingBuilt(error)) return;
    const schemas = this.#members.map(({ schema }) => schema);
    if (!(await areThere(this.#client, schemas)))
      throw new CheckpointMoved('a view was dropped', { cause: error });
  }
}

/**
 * Serialisation failure, deadlock, lock timeout, cancelled by an operator, a session that was idle for too long while
 * this process was held up: the same batch may go through next time.
 */
const retriable = new Set(['40001', '40P01', '55P03', '57014', '25P03']);

/** Whether it may go through when it is tried again, and says nothing about an event or a projection. */
export function isTransient(error: unknown): boolean {
  if (error instanceof CheckpointMoved || isOutage(error)) return true;
  return error instanceof Error && 'code' in error && retriable.has(String(error.code));
}
