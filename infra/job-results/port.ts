/** What tasks have found, row by row, for who looks; beside the views, and a replay does not bring it back. */
export interface JobResults {
  /**
   * Keeps `rows`, in their order, instead of what the task had; all of them or, where something fails, what it had.
   * They are JSON. Resolves to how many there are.
   */
  replace(taskId: number, rows: Iterable<object> | AsyncIterable<object>): Promise<number>;
  /** How many rows the task has; undefined where it has kept none yet. */
  count(taskId: number): Promise<number | undefined>;
  /** Up to `limit` rows of the task after the place `after`; the first has the place 1. */
  read<Row extends object>(taskId: number, after: number, limit: number): Promise<readonly ResultRow<Row>[]>;
  /** Keeps other rows in their places. */
  write(taskId: number, rows: readonly ResultRow<object>[]): Promise<void>;
  /** Forgets the rows of up to `limit` tasks that have kept theirs before. Resolves to how many those were. */
  sweep(before: Date, limit: number): Promise<number>;
}

export interface ResultRow<Row> {
  readonly place: number;
  readonly row: Row;
}
