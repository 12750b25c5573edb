import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { PersonalData } from '../infra/personal-data/port.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { AllocateId } from './allocate-id.ts';
import { emailKeyOf, reserveEmail } from './email.ts';
import { type Profile, writeProfile } from './profile.ts';
import { decision, type Recorder } from './record.ts';

export interface CreateUser extends Profile {
  readonly username: string;
  readonly password: string;
}

export interface CreateUserPorts {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly allocateId: AllocateId;
  readonly personalData: PersonalData;
  readonly secrets: SecretBox;
  hashPassword(password: string): Promise<string>;
}

/** @throws Refusal `user-exists`, `email-taken` */
export const createUser =
  ({ log, record, allocateId, personalData, secrets, hashPassword }: CreateUserPorts) =>
  async (
    { username, password, ...profile }: CreateUser,
    metadata: Metadata,
  ): Promise<{ readonly userId: number; readonly position: bigint }> => {
    const passwordHash = await hashPassword(password);
    const userId = await allocateId('user', metadata);
    const emailKey = profile.email === '' ? null : emailKeyOf(secrets, profile.email);
    const user = decision(userStream(username), userDecider, {
      do: 'create',
      username,
      userId,
      administrator: false,
      passwordHash,
      emailKey,
      profile: await personalData.seal(userId, writeProfile(profile)),
    });
    try {
      const { position } =
        emailKey === null
          ? await record(metadata, user)
          : await record(metadata, await reserveEmail(log, { emailKey, userId, username }), user);
      return { userId, position };
    } catch (error) {
      // It may have been recorded all the same; only a refusal says for sure that nobody has the number.
      if (error instanceof Refusal) await personalData.forget(userId);
      throw error;
    }
  };
