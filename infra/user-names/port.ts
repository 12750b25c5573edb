/** A user of whom a name is to be kept. */
export interface NamedUser {
  readonly userId: number;
  readonly name: string;
  /** Whether there is such a user for sure; one who is just being created may never come to be. */
  readonly exists: boolean;
}

/** What is known of a number. */
export interface KnownName {
  /** Null for a user who was erased. */
  readonly name: string | null;
  /** The name, encrypted under a key of the user; null for a user who was erased. */
  readonly sealed: string | null;
  /** The keyed hash of the name, which stays. */
  readonly key: string;
  readonly exists: boolean;
}

/**
 * The names of users by their numbers, outside the event log, each encrypted under a key of its own: who is erased loses
 * that key. Processes keep what they have read for `staleMs` at the most.
 */
export interface UserNames {
  /** For so long another process may go on as if a user had not been erased, or a name not been given again. */
  readonly staleMs: number;
  /**
   * Makes sure that what this process has kept was true `staleMs` ago; to be called after events were read, and before their
   * names are filled in. @throws LogUnavailable
   */
  refresh(): Promise<void>;
  /** What is known of these users; those of whom nothing is, are missing. @throws LogUnavailable */
  of(userIds: Iterable<number>): Promise<ReadonlyMap<number, KnownName>>;
  /** The numbers of those who bear these names, or were the last to do so. @throws LogUnavailable */
  bearersOf(names: Iterable<string>): Promise<ReadonlyMap<string, number>>;
  /**
   * Keeps the names of users of whom none is kept. Resolves to whether a name of them belonged to somebody before, which other
   * processes may believe for `staleMs` still. @throws LogUnavailable
   */
  keep(users: readonly NamedUser[]): Promise<{ readonly reused: boolean }>;
  /** They have come to be. @throws LogUnavailable */
  confirm(userIds: readonly number[]): Promise<void>;
  /** He has not come to be and never will. */
  drop(userIds: readonly number[]): Promise<void>;
  /** Destroys the name of the user and its key. */
  erase(userId: number): Promise<void>;
  /** Leaves to the database nothing of the names that were destroyed. */
  tidy(): Promise<void>;
  /** The keyed hash of a name. */
  keyOf(name: string): string;
  /** Encrypts a name that nobody bears. */
  seal(name: string): string;
  /** What `seal` has encrypted. */
  open(sealed: string): string;
  /** Whether this process knows of anybody who was erased. */
  hasErased(): boolean;
  /** The first of those who bore the name and were erased, as far as this process knows. */
  erasedBearerOf(key: string): number | undefined;
}
