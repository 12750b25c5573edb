import type { Metadata } from '../domain/event.ts';
import { memberDecider } from '../domain/member/decider.ts';
import { memberStream } from '../domain/member/events.ts';
import type { MemberKey } from './change-member.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. @throws Refusal `member-unknown` */
export const removeMember =
  ({ record }: { readonly record: Recorder }) =>
  async ({ memberId, projectId, ...entity }: MemberKey, metadata: Metadata): Promise<bigint> => {
    const command = { do: 'remove', memberId } as const;
    const stream = memberStream(projectId, entity);
    return (await record(metadata, decision(stream, memberDecider, command))).position;
  };
