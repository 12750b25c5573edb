/** Whom a session was opened for. */
export interface SessionUser {
  readonly userId: number;
  readonly username: string;
  /** That of the password with which it was opened: a session of an earlier one is void. */
  readonly credentialVersion: number;
}

/** A browser session. Who reads the store can use none of them: it holds no id, only what an id hashes to. */
export interface Session {
  /** SHA-256 of the id that the browser has, in base64url. */
  readonly idHash: string;
  readonly user: SessionUser;
  readonly createdAt: Date;
  /** When it was last written that it was used; it may have been used a little later. */
  readonly lastUsedAt: Date;
  /** From then on it is as if it were not there. */
  readonly expiresAt: Date;
  /** Where it was last used from, as of `lastUsedAt`. */
  readonly address: string;
  readonly userAgent: string;
}

/**
 * The open sessions, for all processes alike. They are no events: nobody needs to know who looked at a page, and an
 * ended session has to be gone, with the address that it was used from.
 *
 * Every method may throw SessionStoreUnavailable, or an outage of the database.
 */
export interface SessionStore {
  /** Of more than `max` sessions of the user the oldest end, however many are opened at once. */
  open(session: Session, max: number): Promise<void>;
  find(idHash: string): Promise<Session | undefined>;
  /** Writes when and from where it was used, and until when it lasts. One that has ended is not brought back. */
  renew(session: Session): Promise<void>;
  /** The newest first. */
  listOf(userId: number): Promise<Session[]>;
  /** Whether there was one to end. */
  end(idHash: string): Promise<boolean>;
  /** All of the user. */
  endAllOf(userId: number): Promise<void>;
  /** Removes what is left of at most `limit` expired sessions; resolves to their number. */
  sweep(limit: number): Promise<number>;
}

/** Where the sessions are kept does not answer; nobody can be told from a stranger meanwhile. */
export class SessionStoreUnavailable extends Error {
  override readonly name = 'SessionStoreUnavailable';
}
