import type { Metadata } from '../domain/event.ts';
import { type CreateUser, userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. @throws Refusal `user-exists` */
export const createUser =
  ({ record }: { readonly record: Recorder }) =>
  async (user: CreateUser, metadata: Metadata): Promise<bigint> =>
    (await record(metadata, decision(userStream(user.username), userDecider, user))).position;
