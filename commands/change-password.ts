import type { Metadata } from '../domain/event.ts';
import { userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangePassword {
  readonly username: string;
  readonly userId: number;
  readonly password: string;
  /** The stored hash of the password that was shown, which has to be in force still; undefined for who shows none. */
  readonly over?: string | undefined;
}

/** Resolves to the log's position and the new hash. @throws Refusal `user-unknown`, `password-changed` */
export const changePassword =
  ({
    record,
    hashPassword,
  }: {
    readonly record: Recorder;
    hashPassword(password: string): Promise<string>;
  }) =>
  async (
    { username, userId, password, over }: ChangePassword,
    metadata: Metadata,
  ): Promise<{ readonly position: bigint; readonly passwordHash: string }> => {
    const passwordHash = await hashPassword(password);
    const changed = decision(userStream(username), userDecider, {
      do: 'change-password',
      userId,
      passwordHash,
      over,
    });
    const { position } = await record(metadata, changed);
    return { position, passwordHash };
  };
