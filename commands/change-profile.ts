import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import type { CreateUserPorts } from './create-user.ts';
import { emailKeyOf, releaseEmail, reserveEmail } from './email.ts';
import { type Profile, writeProfile } from './profile.ts';
import { decision } from './record.ts';

export interface ChangeProfile extends Profile {
  readonly username: string;
  readonly userId: number;
  /** The key of the address that the user had when this was asked. */
  readonly emailKeyBefore: string | null;
}

/** Resolves to the log's position. @throws Refusal `user-unknown`, `email-taken` */
export const changeProfile =
  ({
    log,
    record,
    personalData,
    secrets,
  }: Pick<CreateUserPorts, 'log' | 'record' | 'personalData' | 'secrets'>) =>
  async (
    { username, userId, emailKeyBefore, ...profile }: ChangeProfile,
    metadata: Metadata,
  ): Promise<bigint> => {
    const emailKey = profile.email === '' ? null : emailKeyOf(secrets, profile.email);
    const sealed = await personalData.seal(userId, writeProfile(profile));
    const who = { userId, username };
    const changed = decision(userStream(username), userDecider, {
      do: 'change-profile',
      userId,
      emailKey,
      profile: sealed,
    });
    // The new address first and the old one last: nobody else can have either in between. One that the user had
    // already is reserved as well, since another change may have released it by now.
    const decisions = [
      ...(emailKey === null ? [] : [await reserveEmail(log, { emailKey, ...who })]),
      changed,
      ...(emailKeyBefore === null || emailKeyBefore === emailKey
        ? []
        : [releaseEmail({ emailKey: emailKeyBefore, ...who })]),
    ];
    try {
      return (await record(metadata, ...decisions)).position;
    } catch (error) {
      // The seal has made the key again of somebody who was erased meanwhile.
      if (error instanceof Refusal && error.reason.kind === 'user-unknown') await personalData.forget(userId);
      throw error;
    }
  };
