import { createProject } from '../../commands/create-project.ts';
import { createUser } from '../../commands/create-user.ts';
import { recorder } from '../../commands/record.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { hashPassword } from '../../infra/password-hash/argon2.ts';
import type { Scope, TestServer } from '../server.ts';
import { until } from '../until.ts';
import { send } from './client.ts';
import { openLogOf } from './server-log.ts';

/** Makes a user by a second process on the same log; resolves to `<name>:<password>` once the server knows it. */
export async function addUser(
  t: Scope,
  server: TestServer,
  user: { readonly username: string; readonly userId: number; readonly administrator: boolean },
): Promise<string> {
  const log = await openLogOf(t, server);
  const passwordHash = await hashPassword(`of ${user.username}`);
  await createUser({ record: recorder({ log, catalogue, newEventId }) })(
    { ...user, passwordHash },
    { actor: 'system' },
  );
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
  const log = await openLogOf(t, server);
  await createProject({ record: recorder({ log, catalogue, newEventId }) })(
    { ...project, public: false, owner: 'admin' },
    { actor: 'system' },
  );
  await until('the project is known', async () => {
    const { body } = await send(server, 'GET', `/v2/${project.name}/x/tags/list`);
    return !body.includes(`project ${project.name} not found`);
  });
}
