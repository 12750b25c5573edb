import type { Role } from '../access/role.ts';
import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { Entity, MemberEvent } from './events.ts';

export interface AddMember extends Entity {
  readonly memberId: number;
  readonly projectId: number;
  readonly project: string;
  /** The name of the user or of the group. */
  readonly entityName: string;
  readonly role: Role;
}

export type MemberCommand =
  | ({ readonly do: 'add' } & AddMember)
  | { readonly do: 'change-role'; readonly memberId: number; readonly role: Role }
  | { readonly do: 'remove'; readonly memberId: number };

/** The user or the group as a member of the project, or null. */
export const memberDecider: Decider<AddMember | null, MemberCommand, MemberEvent> = {
  initial: null,

  decide(member, command) {
    if (command.do === 'add') {
      const { do: _, ...data } = command;
      if (member !== null)
        throw new Refusal({ kind: 'member-exists', project: data.project, member: data.entityName });
      return [{ type: 'MemberAdded', data }];
    }
    if (member?.memberId !== command.memberId)
      throw new Refusal({ kind: 'member-unknown', memberId: command.memberId });
    const { role: before, ...which } = member;
    if (command.do === 'remove') return [{ type: 'MemberRemoved', data: which }];
    if (command.role === before) return [];
    return [{ type: 'MemberRoleChanged', data: { ...which, role: command.role } }];
  },

  evolve: (_, event) => (event.type === 'MemberRemoved' ? null : event.data),
};
