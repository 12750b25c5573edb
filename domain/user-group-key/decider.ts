import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { UserGroupKey, UserGroupKeyEvent } from './events.ts';

export type UserGroupKeyCommand = UserGroupKey & {
  readonly do: 'reserve' | 'release';
  readonly groupId: number;
  /** A group that has the key and no use for it, being deleted or called otherwise; a fact, read before deciding. */
  readonly abandonedBy?: number;
};

/** The number of the group that has the key, or null. */
export const userGroupKeyDecider: Decider<number | null, UserGroupKeyCommand, UserGroupKeyEvent> = {
  initial: null,

  decide(holder, { do: what, abandonedBy, ...data }) {
    if (what === 'release') return holder === data.groupId ? [{ type: 'UserGroupKeyReleased', data }] : [];
    if (holder !== null && holder !== data.groupId && holder !== abandonedBy)
      throw new Refusal({ kind: 'user-group-exists', name: data.key });
    // Also for the one that has it: a release that was decided before must not come after it.
    return [{ type: 'UserGroupKeyReserved', data }];
  },

  evolve: (_, event) => (event.type === 'UserGroupKeyReserved' ? event.data.groupId : null),
};
