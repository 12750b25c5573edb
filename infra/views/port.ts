import type { AnyProjection } from '../database/projection.ts';

export type ViewName = Pick<AnyProjection, 'name' | 'version'>;

/** What the gateway asks of the read models beyond their queries. */
export interface Views {
  /**
   * Resolves when each of `views` shows all events up to `position`, whichever process applies them.
   * @throws ViewsBehind after the configured wait, or at once when one of them has stopped before `position`.
   */
  reached(position: bigint, views: readonly ViewName[]): Promise<void>;

  /**
   * Returns while the views show at least what they have shown before. A crash of their database may have taken back
   * what they showed last, and who dropped it has taken back everything; until they are at the log's head again an
   * answer from them could deny what was acknowledged. @throws DatabaseUnavailable
   */
  requireCurrent(): void;

  /**
   * A position up to which a query that begins now sees the view, whichever process applies it; the view may be further
   * already. Undefined while this process does not know, which it then finds out.
   */
  knownPosition(view: ViewName): bigint | undefined;

  /** How often a view may have started over or gone back, as far as this process knows. */
  restarts(): number;

  /** Every projection that this version of Shiplog serves, in the order of their names. */
  status(): Promise<readonly ProjectionStatus[]>;
}

export interface ProjectionStatus {
  readonly name: string;
  readonly version: number;
  /** All events up to this position are applied. */
  readonly position: bigint;
  /** Events applied since the views were created; two readings tell the rate. */
  readonly applied: bigint;
  /** The position of the event that it cannot apply and that it waits before, or null while it runs. */
  readonly stoppedAt: bigint | null;
  readonly lastError: string | null;
}

/** The event is recorded, but a view that must show it does not yet. */
export class ViewsBehind extends Error {
  override readonly name = 'ViewsBehind';
}
