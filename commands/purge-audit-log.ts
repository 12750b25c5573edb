import { auditPurgeStream } from '../domain/audit/events.ts';
import { type AuditOperation, isAuditOperation, purgedWith } from '../domain/audit/operations.ts';
import type { Decider } from '../domain/decider.ts';
import type { DomainEvent, Metadata } from '../domain/event.ts';
import { decision, type Recorder } from './record.ts';

export interface PurgeAuditLog {
  /** Rows that are older go. */
  readonly retentionHours: number;
  /**
   * By Harbor's names, such as `pull_artifact`, with which go the entries beside its own, and by those of our own; what is
   * no such name counts for nothing.
   */
  readonly eventTypes: readonly string[];
  /** Says how many rows there are, and takes none. */
  readonly dryRun: boolean;
}

export interface PurgeRun {
  readonly stopping: AbortSignal;
  log(text: string): void;
}

export interface PurgeAuditLogPorts {
  readonly record: Recorder;
  /** About `limit` of the oldest rows of the type, from `from` on and before `before`; undefined where there are none. */
  purgeSlice(
    type: string,
    part: { readonly from: Date | null; readonly before: Date; readonly limit: number },
  ): Promise<{ readonly rows: number; readonly until: Date } | undefined>;
  /**
   * The first month after `from` and before `before` that can go at once, with the number of rows of those operations that are
   * counted; undefined where there is none.
   */
  purgeMonth(
    operations: readonly string[],
    part: { readonly from: Date | null; readonly before: Date; readonly counted: readonly string[] },
  ): Promise<{ readonly rows: number; readonly from: Date; readonly until: Date } | undefined>;
  /** Resolves when the rows that events up to the position take are gone. */
  auditReached(position: bigint): Promise<void>;
  /** A new UUID. */
  readonly newRun: () => string;
  readonly now: () => Date;
}

/** What one event takes: the view deletes it in one go, and nothing else is shown meanwhile. */
const rowsAtOnce = 5000;

/** The state is of no interest: what has gone has gone. */
const recording: Decider<null, DomainEvent, DomainEvent> = {
  initial: null,
  decide: (_, event) => [event],
  evolve: () => null,
};

/**
 * Takes old rows from the audit log; the events that they told of stay in the log. A run that is cut short goes on where
 * it was, since what it has taken is gone. Resolves to how many rows went, or would go; `metadata` says whose run it is.
 * @throws the reason of `stopping`, aborted.
 */
export const purgeAuditLog =
  ({ record, purgeMonth, purgeSlice, auditReached, newRun, now }: PurgeAuditLogPorts) =>
  async (
    { retentionHours, eventTypes, dryRun }: PurgeAuditLog,
    run: PurgeRun,
    metadata: Metadata = { actor: 'system' },
  ): Promise<{ readonly rows: number }> => {
    const named = eventTypes.filter(isAuditOperation);
    const operations = purgedWith(named);
    const before = new Date(now().getTime() - retentionHours * 3_600_000);
    const stream = auditPurgeStream(newRun());
    run.log('Purge audit job start');
    let rows = 0;
    // A dry run only counts, for which the months make no difference.
    if (operations.length > 0 && !dryRun) rows += await purgeMonths();
    for (const operation of operations) {
      const gone = await purge(operation);
      // Harbor counts its own rows.
      if (named.includes(operation)) rows += gone;
    }
    run.log(
      dryRun
        ? `${rows} rows of audit logs before ${before.toISOString()} would be purged; nothing was, in a dry run`
        : `${rows} rows of audit logs before ${before.toISOString()} were purged`,
    );
    return { rows };

    /** Those of which hardly anything is kept, each in one step, however many rows it has. */
    async function purgeMonths(): Promise<number> {
      let gone = 0;
      for (let from: Date | null = null; ; ) {
        run.stopping.throwIfAborted();
        const month = await purgeMonth(operations, { from, before, counted: named });
        if (month === undefined) return gone;
        await take(operations, month.from, month.until);
        gone += month.rows;
        from = month.until;
      }
    }

    async function purge(operation: AuditOperation): Promise<number> {
      let gone = 0;
      for (let from: Date | null = null; ; ) {
        run.stopping.throwIfAborted();
        const slice = await purgeSlice(operation, { from, before, limit: rowsAtOnce });
        if (slice === undefined) return gone;
        const until = slice.until < before ? slice.until : before;
        if (!dryRun) await take([operation], from, until);
        gone += slice.rows;
        from = until;
      }
    }

    async function take(taken: readonly AuditOperation[], from: Date | null, until: Date): Promise<void> {
      const [type, ...others] = taken;
      const data = { type, others, from: from?.toISOString() ?? null, until: until.toISOString() };
      const purged = decision(stream, recording, { type: 'AuditLogPurged', data }, 'last');
      // No further ahead of the view than this: what it has to take would grow without bound.
      await auditReached((await record(metadata, purged)).position);
    }
  };
