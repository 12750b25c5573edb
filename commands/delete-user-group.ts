import type { Metadata } from '../domain/event.ts';
import { userGroupDecider } from '../domain/user-group/decider.ts';
import { userGroupStream } from '../domain/user-group/events.ts';
import { decision, type Recorder } from './record.ts';

/** Does nothing where there is no such group. Resolves to the log's position. */
export const deleteUserGroup =
  ({ record }: { readonly record: Recorder }) =>
  async (groupId: number, metadata: Metadata): Promise<bigint> => {
    const command = { do: 'delete', groupId } as const;
    return (await record(metadata, decision(userGroupStream(groupId), userGroupDecider, command))).position;
  };
