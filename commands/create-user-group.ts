import type { Metadata } from '../domain/event.ts';
import { type UserGroup, userGroupDecider } from '../domain/user-group/decider.ts';
import { userGroupStream } from '../domain/user-group/events.ts';
import { keyOfGroup } from '../domain/user-group-key/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';
import { reserveGroupKey } from './user-group-key.ts';

/** @throws Refusal `user-group-exists` */
export const createUserGroup =
  ({
    log,
    record,
    allocateId,
  }: {
    readonly log: EventLog;
    readonly record: Recorder;
    readonly allocateId: AllocateId;
  }) =>
  async (
    group: Omit<UserGroup, 'groupId'>,
    metadata: Metadata,
  ): Promise<{ readonly groupId: number; readonly position: bigint }> => {
    const groupId = await allocateId('user-group', metadata);
    const { position } = await record(
      metadata,
      await reserveGroupKey(log, { ...keyOfGroup(group), groupId }),
      decision(userGroupStream(groupId), userGroupDecider, { do: 'create', ...group, groupId }),
    );
    return { groupId, position };
  };
