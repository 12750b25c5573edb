import { catalogue } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { erasureDecider } from '../domain/user/erasure.ts';
import { type UserEvent, userStream } from '../domain/user/events.ts';
import { pseudonymOf } from '../domain/user/pseudonym.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { PersonalData } from '../infra/personal-data/port.ts';
import type { UserNames } from '../infra/user-names/port.ts';
import { releaseEmail } from './email.ts';
import { decision, historyOf, type Recorder } from './record.ts';

export interface EraseUserPorts {
  readonly log: EventLog;
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
  (ports: EraseUserPorts) =>
  async ({ userId, user }: EraseUser, metadata: Metadata): Promise<bigint> => {
    const { record, personalData, userNames } = ports;
    const username = user?.username ?? (await nameOf(ports, userId));
    if (user !== undefined) await personalData.forget(userId);
    const erased = decision(userStream(username), erasureDecider, { userId, username });
    const emailKey = user?.emailKey ?? null;
    // The event comes first: whoever follows the log does the rest, should this process end here.
    const { position } =
      emailKey === null
        ? await record(metadata, erased)
        : await record(metadata, erased, releaseEmail({ emailKey, userId, username }));
    await personalData.forget(userId);
    await userNames.erase(userId);
    return position;
  };

/** When a user was erased, and where in the log that stands; undefined for who was not. */
export const findErasure =
  (ports: Pick<EraseUserPorts, 'log' | 'userNames'>) =>
  async (userId: number): Promise<{ readonly at: Date; readonly position: bigint } | undefined> => {
    const history = await historyOf<UserEvent>(ports.log, catalogue, userStream(await nameOf(ports, userId)));
    const erased = history.find(({ type, data }) => type === 'UserErased' && data.userId === userId);
    return erased && { at: erased.recordedAt, position: erased.position };
  };

async function nameOf({ userNames }: Pick<EraseUserPorts, 'userNames'>, userId: number): Promise<string> {
  return (await userNames.of([userId])).get(userId)?.name ?? pseudonymOf(userId);
}
