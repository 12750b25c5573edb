import type { Metadata } from '../domain/event.ts';
import { type UserGroup, userGroupDecider } from '../domain/user-group/decider.ts';
import { userGroupStream } from '../domain/user-group/events.ts';
import { keyOfGroup } from '../domain/user-group-key/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { decision, type Recorder } from './record.ts';
import { releaseGroupKey, reserveGroupKey } from './user-group-key.ts';

/**
 * `group` as the caller has seen it. Resolves to the log's position.
 * @throws Refusal `user-group-unknown`, `user-group-exists`
 */
export const renameUserGroup =
  ({ log, record }: { readonly log: EventLog; readonly record: Recorder }) =>
  async (group: UserGroup, name: string, metadata: Metadata): Promise<bigint> => {
    const { groupId } = group;
    const renamed = decision(userGroupStream(groupId), userGroupDecider, { do: 'rename', groupId, name });
    const [before, after] = [keyOfGroup(group), keyOfGroup({ ...group, name })];
    const reserved = await reserveGroupKey(log, { ...after, groupId });
    const { position } =
      before.key === after.key
        ? await record(metadata, reserved, renamed)
        : await record(metadata, reserved, renamed, releaseGroupKey({ ...before, groupId }));
    return position;
  };
