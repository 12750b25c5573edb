/** A row with its place among those of its task. */
export interface JobRow {
  /** From 1. */
  readonly number: number;
  readonly row: Readonly<Record<string, unknown>>;
}

/** Rows that a task has to show for its work, beside the views: a replay does not bring them back. */
export interface JobRows {
  /** Puts `rows` in the place of what the task had. */
  replace(taskId: number, rows: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  /** The rows after the number `after`, at most `limit`. */
  read(taskId: number, after: number, limit: number): Promise<readonly JobRow[]>;
  /** Forgets what was put there before `time`. */
  forgetBefore(time: Date): Promise<void>;
}
