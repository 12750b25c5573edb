import type { Metadata } from '../domain/event.ts';
import { userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangePassword {
  readonly username: string;
  readonly userId: number;
  readonly password: string;
}

/** Resolves to the log's position. @throws Refusal `user-unknown` */
export const changePassword =
  ({
    record,
    hashPassword,
  }: {
    readonly record: Recorder;
    hashPassword(password: string): Promise<string>;
  }) =>
  async ({ username, userId, password }: ChangePassword, metadata: Metadata): Promise<bigint> => {
    const passwordHash = await hashPassword(password);
    const changed = decision(userStream(username), userDecider, {
      do: 'change-password',
      userId,
      passwordHash,
    });
    return (await record(metadata, changed)).position;
  };
