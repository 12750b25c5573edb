import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { GroupType, UserGroupEvent } from './events.ts';

export interface UserGroup {
  readonly groupId: number;
  readonly groupType: GroupType;
  readonly name: string;
  readonly dn: string | null;
}

export type UserGroupCommand =
  | ({ readonly do: 'create' } & UserGroup)
  | { readonly do: 'rename'; readonly groupId: number; readonly name: string }
  | { readonly do: 'delete'; readonly groupId: number };

/** `deleted` for good: no other group gets the number. */
export type UserGroupState = UserGroup | 'deleted' | null;

export const userGroupDecider: Decider<UserGroupState, UserGroupCommand, UserGroupEvent> = {
  initial: null,

  decide(group, command) {
    if (command.do === 'create') {
      const { do: _, ...data } = command;
      return [{ type: 'UserGroupCreated', data }];
    }
    if (group === null || group === 'deleted') {
      // As Harbor answers: what is not there needs no deletion.
      if (command.do === 'delete') return [];
      throw new Refusal({ kind: 'user-group-unknown', groupId: command.groupId });
    }
    const { groupId, groupType, name } = group;
    if (command.do === 'delete') return [{ type: 'UserGroupDeleted', data: { groupId, groupType, name } }];
    if (command.name === name) return [];
    return [{ type: 'UserGroupRenamed', data: { groupId, groupType, name: command.name, from: name } }];
  },

  evolve(group, event) {
    switch (event.type) {
      case 'UserGroupCreated':
        return event.data;
      case 'UserGroupRenamed':
        return group === null || group === 'deleted' ? group : { ...group, name: event.data.name };
      case 'UserGroupDeleted':
        return 'deleted';
    }
  },
};

/** What is about to happen to a group has to find it there. */
export const requiringUserGroup: Decider<UserGroupState, { readonly groupId: number }, UserGroupEvent> = {
  ...userGroupDecider,
  decide(group, { groupId }) {
    if (group === null || group === 'deleted') throw new Refusal({ kind: 'user-group-unknown', groupId });
    return [];
  },
};
