import type { Decider } from '../decider.ts';
import type { Digest } from '../digest.ts';
import type { TagEvent } from './events.ts';

export interface AssignTag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
}

/** A tag is the digest it points at, or null while it points at nothing. */
export const tagDecider: Decider<Digest | null, AssignTag, TagEvent> = {
  initial: null,

  decide(current, assign) {
    if (current === null) return [{ type: 'TagAssigned', data: assign }];
    if (current === assign.digest) return [];
    return [{ type: 'TagMoved', data: { ...assign, from: current } }];
  },

  evolve: (_, event) => event.data.digest,
};
