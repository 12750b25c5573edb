export interface LogLine {
  /** Ascending within the log of a task, with gaps. */
  readonly line: bigint;
  readonly at: Date;
  readonly level: string;
  readonly text: string;
}

/** How far a task is, or was last. */
export interface TaskProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number | undefined;
  readonly bytes: number | undefined;
  readonly totalBytes: number | undefined;
  /** When it was first at this stage. */
  readonly stageAt: Date;
  /** How much was done then. */
  readonly stageDone: number;
  readonly at: Date;
}

export interface NewProgress {
  readonly stage: string;
  readonly done: number;
  readonly total?: number | undefined;
  readonly bytes?: number | undefined;
  readonly totalBytes?: number | undefined;
}

/** What tasks say while they run: rows beside the views, which a replay does not bring back. */
export interface JobJournal {
  write(
    taskId: number,
    lines: readonly { readonly at: Date; readonly level: string; readonly text: string }[],
    progress: NewProgress | undefined,
  ): Promise<void>;
  /** The lines of a task after `after`, at most `limit`. */
  read(taskId: number, after: bigint, limit: number): Promise<readonly LogLine[]>;
  /** How many lines there are, up to `limit`. */
  count(taskId: number, limit: number): Promise<number>;
  progressOf(taskIds: readonly number[]): Promise<ReadonlyMap<number, TaskProgress>>;
  /** Forgets all that the tasks have said. */
  forget(taskIds: readonly number[]): Promise<void>;
  /** Is told of tasks that have said something, by any process; 0 for maybe any. */
  onWritten(written: (taskId: number) => void): Promise<{ close(): Promise<void> }>;
}
