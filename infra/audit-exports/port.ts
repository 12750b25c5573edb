/** What was asked for, and how far it is. */
export interface AuditExport {
  /** A UUID. */
  readonly id: string;
  /** Who asked for it, by a number that is never given again: `user/7`. */
  readonly owner: string;
  readonly format: string;
  /** What is exported, as JSON: names of persons can be in it, so that it goes with the file. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
  readonly entries: number;
  /** Of all parts. */
  readonly bytes: number;
  readonly parts: number;
  /** Where it goes on; in the words of who writes it. */
  readonly place: Readonly<Record<string, string>> | null;
  readonly isDone: boolean;
  /** The execution that writes it; undefined before that has begun. */
  readonly executionId: number | undefined;
}

/** A piece of a file; all of them one after the other are the file. */
export interface ExportPart {
  /** From 0, without gaps: where somebody else has written it meanwhile, nothing happens. */
  readonly part: number;
  readonly bytes: Uint8Array;
  readonly entries: number;
  readonly place: Readonly<Record<string, string>> | null;
  readonly isLast: boolean;
}

/** Exports of the audit log, part by part, until they expire; beside the views, and a replay does not bring them back. */
export interface AuditExports {
  /** Resolves to false, and nothing is kept, where the owner has `maxKept` already. */
  create(
    asked: Pick<AuditExport, 'id' | 'owner' | 'format' | 'request' | 'createdAt'>,
    maxKept: number,
  ): Promise<boolean>;
  /** Says which execution writes it. */
  begun(id: string, executionId: number): Promise<void>;
  find(id: string): Promise<AuditExport | undefined>;
  /** The newest first: up to `limit` of those of `owner`, or of all. */
  list(owner: string | undefined, limit: number): Promise<readonly AuditExport[]>;
  /** Resolves to whether it was written: not where it was written before, or the export is gone. */
  append(id: string, part: ExportPart): Promise<boolean>;
  /** Undefined where there is no such part. */
  read(id: string, part: number): Promise<Buffer | undefined>;
  /** Resolves to whether it was there. */
  forget(id: string): Promise<boolean>;
  /** Forgets those that were asked for before. Resolves to how many. */
  sweep(before: Date): Promise<number>;
  /** Forgets all, those that are being written too, and leaves nothing of them to PostgreSQL. */
  forgetAll(): Promise<void>;
}
