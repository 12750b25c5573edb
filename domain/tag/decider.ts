import type { Decider } from '../decider.ts';
import type { Digest } from '../digest.ts';
import { Refusal } from '../refusal.ts';
import type { TagEvent } from './events.ts';

/** A tag is the digest it points at, or null while it points at nothing. */
type Tag = Digest | null;
type TagDecider<Command> = Decider<Tag, Command, TagEvent>;

const tag: Pick<TagDecider<never>, 'initial' | 'evolve'> = {
  initial: null,
  evolve: (_, event) => (event.type === 'TagRemoved' ? null : event.data.digest),
};

/** What a client may demand of a tag before it moves it (RFC 9110, `If-Match` and `If-None-Match`). */
export type TagCondition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'points-at'; readonly digests: readonly Digest[] | '*' };

export interface AssignTag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
  readonly condition?: TagCondition;
  /** Whether a rule of the project forbids to move the tag; a fact, read before the decision. */
  readonly isImmutable: boolean;
}

export const assigning: TagDecider<AssignTag> = {
  ...tag,
  decide(current, { condition, isImmutable, ...assign }) {
    if (condition !== undefined && !isMet(condition, current))
      throw new Refusal({ kind: 'tag-condition-failed', ...assign, current });
    if (current === null) return [{ type: 'TagAssigned', data: assign }];
    if (current === assign.digest) return [];
    const { repository, tag: name } = assign;
    if (isImmutable) throw new Refusal({ kind: 'tag-immutable', repository, tag: name, deed: 'move' });
    return [{ type: 'TagMoved', data: { ...assign, from: current } }];
  },
};

/** @param current what the tag points at, or null. */
export function isMet(condition: TagCondition, current: Tag): boolean {
  if (condition.kind === 'absent') return current === null;
  return current !== null && (condition.digests === '*' || condition.digests.includes(current));
}

export interface RemoveTag {
  readonly repository: string;
  readonly tag: string;
  /** Only while it points at this; without it, whatever it points at. */
  readonly digest?: Digest;
  /** Whether a rule of the project forbids to delete the tag; a fact, read before the decision. */
  readonly isImmutable: boolean;
}

export const removingTag: TagDecider<RemoveTag> = {
  ...tag,
  decide(current, { repository, tag, digest = current ?? undefined, isImmutable }) {
    if (current === null || current !== digest) return [];
    if (isImmutable) throw new Refusal({ kind: 'tag-immutable', repository, tag, deed: 'delete' });
    return [{ type: 'TagRemoved', data: { repository, tag, digest } }];
  },
};
