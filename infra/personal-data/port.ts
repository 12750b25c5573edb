/**
 * Encrypts what is personal under a key for each user, which stands outside the event log: who destroys the key makes
 * every event about the person unreadable in that part, and no event has to change.
 */
export interface PersonalData {
  /** Encrypts `text` under the key of the user, which is made where there is none. */
  seal(userId: number, text: string): Promise<string>;
  /** What the sealed texts say, in their order; undefined where the user's key was destroyed. */
  open(sealed: readonly SealedFor[]): Promise<(string | undefined)[]>;
  /** Destroys the key of the user: what was sealed under it opens never again. */
  forget(userId: number): Promise<void>;
}

export interface SealedFor {
  readonly userId: number;
  readonly text: string;
}
