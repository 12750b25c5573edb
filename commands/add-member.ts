import type { Role } from '../domain/access/role.ts';
import type { Metadata } from '../domain/event.ts';
import { memberDecider } from '../domain/member/decider.ts';
import { memberStream } from '../domain/member/events.ts';
import { requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

export interface AddMember {
  readonly projectId: number;
  readonly project: string;
  readonly userId: number;
  readonly username: string;
  readonly role: Role;
}

/** @throws Refusal `member-exists`, `project-unknown` */
export const addMember =
  ({ record, allocateId }: { readonly record: Recorder; readonly allocateId: AllocateId }) =>
  async (
    member: AddMember,
    metadata: Metadata,
  ): Promise<{ readonly memberId: number; readonly position: bigint }> => {
    const memberId = await allocateId('member', metadata);
    const stream = memberStream(member.projectId, member.userId);
    const command = { do: 'add', memberId, ...member } as const;
    const { projectId, project: name } = member;
    const { position } = await record(
      metadata,
      decision(projectStream(name), requiringProject, { name, projectId }),
      decision(stream, memberDecider, command),
    );
    return { memberId, position };
  };
