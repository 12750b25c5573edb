import type { Role } from '../domain/access/role.ts';
import type { Metadata } from '../domain/event.ts';
import { memberDecider } from '../domain/member/decider.ts';
import { type Entity, memberStream } from '../domain/member/events.ts';
import { decision, type Recorder } from './record.ts';

export interface MemberKey extends Entity {
  readonly memberId: number;
  readonly projectId: number;
}

/** Resolves to the log's position. @throws Refusal `member-unknown` */
export const changeMember =
  ({ record }: { readonly record: Recorder }) =>
  async (
    { memberId, projectId, role, ...entity }: MemberKey & { readonly role: Role },
    metadata: Metadata,
  ): Promise<bigint> => {
    const command = { do: 'change-role', memberId, role } as const;
    const stream = memberStream(projectId, entity);
    return (await record(metadata, decision(stream, memberDecider, command))).position;
  };
