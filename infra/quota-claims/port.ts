/**
 * What the processes of an installation have claimed of the room that projects have left, for what they are about to
 * record. Whatever is claimed is nobody else's until it is given back or its time is over; nobody claims more than the
 * room that is left.
 */
export interface QuotaClaims {
  /**
   * Claims for this process, instead of what it had of the project: at least `floor`, which it is using already, and as
   * much of `wanted` as there is room for. Where there is plenty it gets more, so that it need not ask for each blob.
   */
  claim(asked: {
    readonly projectId: number;
    readonly project: string;
    /** All in bytes. */
    readonly limit: number;
    readonly floor: number;
    readonly wanted: number;
    /** Whether somebody waits here for what others have claimed and may not need. */
    readonly blocked: boolean;
  }): Promise<Claim>;

  /**
   * Keeps `bytes` of what was claimed for a while longer, and tells whether another process waits for the rest. Undefined
   * where the claim has ended: others may have its room by now.
   */
  keep(projectId: number, bytes: number): Promise<{ readonly othersWait: boolean } | undefined>;

  /** Gives back all that was claimed of the project. */
  release(projectId: number): Promise<void>;

  /** Which of `contents` the project holds, which therefore add nothing to it. */
  held(project: string, contents: readonly Named[]): Promise<readonly Named[]>;

  /** What the project holds in all, in bytes. */
  used(project: string): Promise<number>;

  /** Whether the project holds a blob of at least so many bytes. */
  holdsAsLarge(project: string, bytes: number): Promise<boolean>;

  /** How long a claim counts that nobody keeps; milliseconds. */
  readonly lifeMs: number;
}

export interface Named {
  readonly kind: 'blob' | 'manifest';
  readonly digest: string;
}

/** All in bytes. */
export interface Claim {
  /** What this process has claimed from now on. */
  readonly claimed: number;
  /** What the project holds. */
  readonly used: number;
  /** What other processes have claimed. */
  readonly others: number;
  /** Whether what this process had claimed before was still its own. */
  readonly kept: boolean;
}

/** There is room in the project, but others have claimed it, and may not need it in the end. */
export class RoomClaimed extends Error {
  override readonly name = 'RoomClaimed';
  constructor(project: string) {
    super(`what is left of the quota of ${project} is claimed by pushes that are under way`);
  }
}

/** What is about to be put into a project. */
export interface Content extends Named {
  readonly project: string;
  /** Bytes. */
  readonly size: number;
}

/** A blob of which not all is known. */
export interface Announced {
  readonly project: string;
  readonly digest: string | undefined;
  /** What it has at least, in bytes. */
  readonly size: number;
}

export interface Limit {
  readonly projectId: number;
  /** Bytes. */
  readonly bytes: number;
}

export interface QuotaLedger {
  /**
   * Runs `work`, which puts `content` into its project, while there is room for it that nobody else has.
   * @param positionOf the log's position after what `work` recorded, as far as its result tells.
   * @throws Refusal `quota-exceeded` where it is more than what is left beside what the project holds, and RoomClaimed
   * where others keep it for too long; both before `work` begins; and what `work` throws.
   */
  within<Result>(
    content: Content,
    work: () => Promise<Result>,
    positionOf: (result: Result) => bigint | undefined,
  ): Promise<Result>;
  /**
   * Whether a blob of at least `size` bytes could be put into the project, to be asked before its bytes are taken. It
   * claims nothing. Who does not know the digest yet may put in again what the project holds.
   * @throws Refusal `quota-exceeded` where it is more by itself than what is left beside what the project holds.
   */
  requireRoom(content: Announced): Promise<void>;
  /** Gives back what nobody uses. */
  close(): Promise<void>;
}
