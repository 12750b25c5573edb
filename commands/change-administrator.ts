import type { Metadata } from '../domain/event.ts';
import { userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangeAdministrator {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
}

/** Resolves to the log's position. @throws Refusal `user-unknown` */
export const changeAdministrator =
  ({ record }: { readonly record: Recorder }) =>
  async ({ username, userId, administrator }: ChangeAdministrator, metadata: Metadata): Promise<bigint> => {
    const command = { do: 'change-administrator', userId, administrator } as const;
    return (await record(metadata, decision(userStream(username), userDecider, command))).position;
  };
