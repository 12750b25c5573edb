import { projectWithOwner } from '../../commands/create-project.ts';
import { decision, recorder } from '../../commands/record.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { type AddMember, memberDecider } from '../../domain/member/decider.ts';
import { memberStream } from '../../domain/member/events.ts';
import { userDecider } from '../../domain/user/decider.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { hashPassword } from '../../infra/password-hash/argon2.ts';
import type { Scope, TestServer } from '../server.ts';
import { until } from '../until.ts';
import { send } from './client.ts';
import { openLogOf } from './server-log.ts';

const metadata = { actor: 'system' };

/** Makes a user by a second process on the same log; resolves to `<name>:<password>` once the server knows it. */
export async function addUser(
  t: Scope,
  server: TestServer,
  user: { readonly username: string; readonly userId: number; readonly administrator: boolean },
): Promise<string> {
  const record = recorder({ log: await openLogOf(t, server), catalogue, newEventId });
  const passwordHash = await hashPassword(`of ${user.username}`);
  const created = { do: 'create', ...user, passwordHash, emailKey: null, profile: null } as const;
  await record(metadata, decision(`user/${user.username}`, userDecider, created));
  const as = `${user.username}:of ${user.username}`;
  await until('the user is known', async () => (await send(server, 'GET', '/v2/', { as })).status === 200);
  return as;
}

/** Makes a private project in the same way; resolves once the server knows it. */
export async function addPrivateProject(
  t: Scope,
  server: TestServer,
  project: { readonly name: string; readonly projectId: number },
): Promise<void> {
  const record = recorder({ log: await openLogOf(t, server), catalogue, newEventId });
  const owner = { username: 'admin', userId: 1 };
  const owned = {
    ...project,
    public: false,
    metadata: {},
    storageLimit: null,
    owner,
    memberId: project.projectId,
  };
  await record(metadata, ...projectWithOwner(owned));
  await until('the project is known', async () => {
    const { body } = await send(server, 'GET', `/v2/${project.name}/x/tags/list`);
    return !body.includes(`project ${project.name} not found`);
  });
}

/** Gives a user a role in a project that lets him push, in the same way; resolves once the server knows it. */
export async function addMember(
  t: Scope,
  server: TestServer,
  member: AddMember & { readonly as: string },
): Promise<void> {
  const { as, ...added } = member;
  const record = recorder({ log: await openLogOf(t, server), catalogue, newEventId });
  const stream = memberStream(added.projectId, added);
  await record(metadata, decision(stream, memberDecider, { do: 'add', ...added }));
  await until('the role is known', async () => {
    const { status } = await send(server, 'POST', `/v2/${added.project}/x/blobs/uploads/?digest=`, { as });
    // What is wrong with the request is said only to who may push.
    return status === 400;
  });
}
