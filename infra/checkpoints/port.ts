/**
 * How far those are who follow the log and act on what is outside it. Beside the views and none of them: a replay of the
 * views must not tell anybody anything again.
 */
export interface Checkpoints {
  /** The position up to which `follower` has done all; undefined for one that has not begun, or whose mark was lost. */
  read(follower: string): Promise<bigint | undefined>;
  /** Durable when it resolves. A position before the one that is written changes nothing. */
  write(follower: string, position: bigint): Promise<void>;
  /** As if it had not begun. */
  remove(follower: string): Promise<void>;
}
