import { catalogue } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { deletingUser } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import { userErasureDecider } from '../domain/user-erasure/decider.ts';
import { type UserErasureEvent, userErasureStream } from '../domain/user-erasure/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { PersonalData } from '../infra/personal-data/port.ts';
import type { UserNames } from '../infra/user-names/port.ts';
import { releaseEmail } from './email.ts';
import { decision, historyOf, type Recorder } from './record.ts';

export interface EraseUserPorts {
  readonly record: Recorder;
  readonly personalData: Pick<PersonalData, 'forget'>;
  readonly userNames: Pick<UserNames, 'of' | 'erase'>;
}

export interface EraseUser {
  readonly userId: number;
  /** Of a user who is there still. */
  readonly user?: { readonly username: string; readonly emailKey: string | null } | undefined;
}

/**
 * Deletes the user, if he is there, and destroys his name; see `eraseUsers` for what comes after that. Resolves to the log's
 * position. @throws Refusal `user-unknown`
 */
export const eraseUser =
  ({ record, personalData, userNames }: EraseUserPorts) =>
  async ({ userId, user }: EraseUser, metadata: Metadata): Promise<bigint> => {
    const known = (await userNames.of([userId])).get(userId);
    if (user === undefined && !known?.exists) throw new Refusal({ kind: 'user-unknown', userId });
    const username = user?.username ?? known?.name;
    const erased = decision(userErasureStream(userId), userErasureDecider, { userId });
    const emailKey = user?.emailKey ?? null;
    await personalData.forget(userId);
    // The events come first: whoever follows the log does the rest, should this process end here.
    const { position } =
      username === undefined || username === null
        ? await record(metadata, erased)
        : await record(
            metadata,
            decision(userStream(username), deletingUser, { userId }),
            ...(emailKey === null ? [] : [releaseEmail({ emailKey, userId, username })]),
            erased,
          );
    await personalData.forget(userId);
    await userNames.erase(userId);
    return position;
  };

/** When a user was erased, and where in the log that stands; undefined for who was not. */
export const findErasure =
  ({ log }: { readonly log: EventLog }) =>
  async (userId: number): Promise<{ readonly at: Date; readonly position: bigint } | undefined> => {
    const [erased] = await historyOf<UserErasureEvent>(log, catalogue, userErasureStream(userId));
    return erased && { at: erased.recordedAt, position: erased.position };
  };
