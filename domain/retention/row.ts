import type { Digest } from '../digest.ts';
import type { Candidate, Cause, Verdict } from './evaluate.ts';
import type { Removal } from './replay.ts';

/** What a run has decided about an artifact, and what then became of it. */
export interface RetentionRow {
  /** The position of its push. */
  readonly id: number;
  readonly digest: Digest;
  readonly tags: readonly string[];
  /** ISO 8601 in UTC. */
  readonly pushedAt: string;
  readonly pulledAt: string | null;
  /** Bytes of all that it takes to pull it. */
  readonly size: number;
  readonly kept: boolean;
  readonly cause: Cause;
  readonly rule: number | null;
  readonly why: string;
  readonly outcome: Outcome | null;
}

export type Outcome =
  | 'removed'
  /** Somebody has pushed, tagged or pulled it since it was decided, or another one has its place. */
  | 'changed'
  /** It has come to be immutable since. */
  | 'immutable'
  /** An index names it that has stayed, or has come since. */
  | 'part-of-index';

export const rowOf = ({
  candidate,
  ...verdict
}: Verdict<Candidate & { readonly size: number }>): RetentionRow => ({
  id: candidate.id,
  digest: candidate.digest,
  tags: candidate.tags,
  pushedAt: candidate.pushedAt.toISOString(),
  pulledAt: candidate.pulledAt?.toISOString() ?? null,
  size: candidate.size,
  ...verdict,
  outcome: null,
});

/** Whether an artifact is as it was when `row` was decided. */
export const isSameAs = (row: RetentionRow, now: Omit<Candidate, 'immutable' | 'partOf'>): boolean =>
  now.id === row.id &&
  now.digest === row.digest &&
  (now.pulledAt?.toISOString() ?? null) === row.pulledAt &&
  now.tags.length === row.tags.length &&
  now.tags.every((tag) => row.tags.includes(tag));

/** What a run would have removed, as it is kept for who looks. */
export interface RemovalRow extends Pick<Removal, 'digest' | 'tags' | 'size' | 'why' | 'pulls'> {
  readonly repository: string;
  /** ISO 8601 in UTC. */
  readonly removedAt: string;
  readonly pushedAt: string;
  readonly pulledAt: string | null;
  readonly lastPulledAt: string | null;
}

export const removalRow = (
  repository: string,
  { removedAt, pushedAt, pulledAt, ...removal }: Removal,
): RemovalRow => ({
  repository,
  ...removal,
  removedAt: removedAt.toISOString(),
  pushedAt: pushedAt.toISOString(),
  pulledAt: pulledAt?.toISOString() ?? null,
  lastPulledAt: removal.lastPulledAt?.toISOString() ?? null,
});
