import type { Role } from '../domain/access/role.ts';
import type { Metadata } from '../domain/event.ts';
import { memberDecider } from '../domain/member/decider.ts';
import { type Entity, memberStream } from '../domain/member/events.ts';
import { requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { requiringUserGroup } from '../domain/user-group/decider.ts';
import { userGroupStream } from '../domain/user-group/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

export interface AddMember extends Entity {
  readonly projectId: number;
  readonly project: string;
  readonly entityName: string;
  readonly role: Role;
}

/** @throws Refusal `member-exists`, `project-unknown`, `user-group-unknown` */
export const addMember =
  ({ record, allocateId }: { readonly record: Recorder; readonly allocateId: AllocateId }) =>
  async (
    member: AddMember,
    metadata: Metadata,
  ): Promise<{ readonly memberId: number; readonly position: bigint }> => {
    const memberId = await allocateId('member', metadata);
    const { projectId, project: name, entityType, entityId } = member;
    const required = decision(projectStream(name), requiringProject, { name, projectId });
    const command = { do: 'add', memberId, ...member } as const;
    const added = decision(memberStream(projectId, member), memberDecider, command);
    const { position } =
      entityType === 'user'
        ? await record(metadata, required, added)
        : await record(
            metadata,
            required,
            decision(userGroupStream(entityId), requiringUserGroup, { groupId: entityId }),
            added,
          );
    return { memberId, position };
  };
