import type { Metadata } from '../domain/event.ts';
import { userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import type { PersonalData } from '../infra/personal-data/port.ts';
import { releaseEmail } from './email.ts';
import { decision, type Recorder } from './record.ts';

export interface DeleteUser {
  readonly username: string;
  readonly userId: number;
  readonly emailKey: string | null;
}

/** Erases the person as well. Resolves to the log's position. @throws Refusal `user-unknown` */
export const deleteUser =
  ({ record, personalData }: { readonly record: Recorder; readonly personalData: PersonalData }) =>
  async ({ username, userId, emailKey }: DeleteUser, metadata: Metadata): Promise<bigint> => {
    // Before the event, since a crash between the two must not leave the data of somebody who is gone, whom nobody
    // would delete a second time; and after it, since a change of the profile may have made the key again.
    await personalData.forget(userId);
    const deleted = decision(userStream(username), userDecider, { do: 'delete', userId });
    const { position } =
      emailKey === null
        ? await record(metadata, deleted)
        : await record(metadata, deleted, releaseEmail({ emailKey, userId, username }));
    await personalData.forget(userId);
    return position;
  };
