import { catalogue } from '../domain/catalogue.ts';
import type { RecordedEvent } from '../domain/event.ts';
import { userGroupDecider } from '../domain/user-group/decider.ts';
import { userGroupStream } from '../domain/user-group/events.ts';
import { type UserGroupKeyCommand, userGroupKeyDecider } from '../domain/user-group-key/decider.ts';
import {
  keyOfGroup,
  type UserGroupKey,
  type UserGroupKeyEvent,
  userGroupKeyStream,
} from '../domain/user-group-key/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { type Decision, decision, historyOf, stateOf } from './record.ts';

type Holder = UserGroupKey & { readonly groupId: number };

/** A reservation that no group of that name has followed within this time was abandoned. Milliseconds. */
const abandonedAfterMs = 60_000;

/** To be recorded before the group is called so; refuses with `user-group-exists`. */
export async function reserveGroupKey(log: EventLog, holder: Holder): Promise<Decision<number | null>> {
  const stream = userGroupKeyStream(holder);
  const abandoned = await abandonedReservation(log, stream);
  return {
    stream,
    decide(history) {
      // Which has come for it since has it.
      const isAbandoned = abandoned !== undefined && history.at(-1)?.position === abandoned.position;
      const command: UserGroupKeyCommand = {
        do: 'reserve',
        ...holder,
        ...(isAbandoned && { abandonedBy: abandoned.data.groupId }),
      };
      return decision(stream, userGroupKeyDecider, command).decide(history);
    },
  };
}

/** To be recorded after the group is called otherwise. */
export const releaseGroupKey = (holder: Holder): Decision<number | null> =>
  decision(userGroupKeyStream(holder), userGroupKeyDecider, { do: 'release', ...holder });

/**
 * The reservation of a group that was deleted, which frees whatever it was called, or of one that never came to be
 * called so: where the engine cannot append to two streams as one, a crash may come between the two.
 */
async function abandonedReservation(
  log: EventLog,
  stream: string,
): Promise<RecordedEvent<UserGroupKeyEvent> | undefined> {
  const last = (await historyOf<UserGroupKeyEvent>(log, catalogue, stream)).at(-1);
  if (last?.type !== 'UserGroupKeyReserved') return undefined;
  const { groupId, key } = last.data;
  const group = await stateOf(log, catalogue, userGroupStream(groupId), userGroupDecider);
  if (group === 'deleted') return last;
  if (group !== null && keyOfGroup(group).key === key) return undefined;
  return Date.now() - last.recordedAt.getTime() < abandonedAfterMs ? undefined : last;
}
