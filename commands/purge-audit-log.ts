import { auditPurgeStream } from '../domain/audit/events.ts';
import { type AuditType, isAuditType } from '../domain/audit/types.ts';
import type { Decider } from '../domain/decider.ts';
import type { DomainEvent, Metadata } from '../domain/event.ts';
import { decision, type Recorder } from './record.ts';

export interface PurgeAuditLog {
  /** Rows that are older go. */
  readonly retentionHours: number;
  /** By Harbor's names, such as `pull_artifact`; what is no such name counts for nothing. */
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
  ({ record, purgeSlice, auditReached, newRun, now }: PurgeAuditLogPorts) =>
  async (
    { retentionHours, eventTypes, dryRun }: PurgeAuditLog,
    run: PurgeRun,
    metadata: Metadata = { actor: 'system' },
  ): Promise<{ readonly rows: number }> => {
    const types = [...new Set(eventTypes.filter(isAuditType))];
    const before = new Date(now().getTime() - retentionHours * 3_600_000);
    const stream = auditPurgeStream(newRun());
    run.log('Purge audit job start');
    let rows = 0;
    for (const type of types) rows += await purge(type);
    run.log(
      dryRun
        ? `${rows} rows of audit logs before ${before.toISOString()} would be purged; nothing was, in a dry run`
        : `${rows} rows of audit logs before ${before.toISOString()} were purged`,
    );
    return { rows };

    async function purge(type: AuditType): Promise<number> {
      let gone = 0;
      for (let from: Date | null = null; ; ) {
        run.stopping.throwIfAborted();
        const slice = await purgeSlice(type, { from, before, limit: rowsAtOnce });
        if (slice === undefined) return gone;
        const until = slice.until < before ? slice.until : before;
        if (!dryRun) {
          const data = { type, from: from?.toISOString() ?? null, until: until.toISOString() };
          const purged = decision(stream, recording, { type: 'AuditLogPurged', data }, 'last');
          // No further ahead of the view than this: what it has to take would grow without bound.
          await auditReached((await record(metadata, purged)).position);
        }
        gone += slice.rows;
        from = until;
      }
    }
  };
