import type { AuditRecord } from '../../domain/audit/record.ts';

/** A place outside to which the audit log is sent. */
export interface AuditTarget {
  /**
   * Sends the records in their order; the same ones again do no harm, since each has its event's id.
   * @param over ends what is under way
   * @throws BatchRefused when some of them are refused for what they are, and it is not said which
   * @throws TargetUnavailable when they may be sent again later
   */
  send(records: readonly AuditRecord[], over: AbortSignal): Promise<Sent>;
  /** Ends its connections; whoever waits for `settled` is disappointed. */
  close(): void;
}

export interface Sent {
  /** Those that it has refused for what they are; it has taken the others. */
  readonly refused: readonly RefusedRecord[];
  /**
   * Where taking them is not acknowledged: resolves when it may be taken for sure, the same promise for what was sent
   * together; rejects with TargetUnavailable when they may be lost.
   */
  readonly settled?: Promise<void>;
}

export interface RefusedRecord {
  readonly record: AuditRecord;
  /** In the words of who refused it, without a secret. */
  readonly reason: string;
}

export class BatchRefused extends Error {
  override readonly name = 'BatchRefused';
}

export class TargetUnavailable extends Error {
  override readonly name = 'TargetUnavailable';
  /** For how long the target has asked to be left alone, in milliseconds. */
  readonly retryAfterMs: number;
  constructor(
    message: string,
    { retryAfterMs = 0, ...options }: ErrorOptions & { retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** PEM; how the target is known, and how we are. */
export interface TargetTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Whether the target's certificate is checked. */
  readonly verify: boolean;
}

/** What every record says of who sends it. */
export interface Origin {
  readonly hostname: string;
  readonly version: string;
}
