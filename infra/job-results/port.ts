/** What tasks have found, row by row, for who looks; beside the views, and a replay does not bring it back. */
export interface JobResults {
  /**
   * Keeps `rows`, in their order, instead of what the task had; all of them or, where something fails, what it had.
   * They are JSON. Resolves to how many there are. @param basis what they were found by, in the task's own words.
   */
  replace(taskId: number, rows: Iterable<object> | AsyncIterable<object>, basis?: string): Promise<number>;
  /** What the rows of the task were found by, and when; undefined where it has kept none yet. */
  basisOf(taskId: number): Promise<Basis | undefined>;
  /** How many rows the task has; undefined where it has kept none yet. */
  count(taskId: number): Promise<number | undefined>;
  /** Up to `limit` rows of the task after the place `after`; the first has the place 1. */
  read<Row extends object>(taskId: number, after: number, limit: number): Promise<readonly ResultRow<Row>[]>;
  /** Keeps other rows in their places. */
  write(taskId: number, rows: readonly ResultRow<object>[]): Promise<void>;
  /** Forgets all that the tasks have kept. */
  forget(taskIds: readonly number[]): Promise<void>;
  /** Forgets the rows of up to `limit` tasks that have kept theirs before. Resolves to how many those were. */
  sweep(before: Date, limit: number): Promise<number>;
}

export interface Basis {
  readonly keptAt: Date;
  /** Empty where the task has said none. */
  readonly basis: string;
}

export interface ResultRow<Row> {
  readonly place: number;
  readonly row: Row;
}
