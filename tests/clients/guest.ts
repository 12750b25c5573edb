import { createProject } from '../../commands/create-project.ts';
import { createUser } from '../../commands/create-user.ts';
import { recorder } from '../../commands/record.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { hashPassword } from '../../infra/password-hash/argon2.ts';
import { send } from '../http/client.ts';
import { openLogOf } from '../http/server-log.ts';
import type { Scope, TestServer } from '../server.ts';
import { until } from '../until.ts';

/** A user who administers nothing and is a member of no project: may pull what is public, and push nothing. */
export interface Guest {
  readonly username: string;
  readonly password: string;
}

/** Also creates the project `secret`, which is private and which the guest must not see. */
export async function createGuest(t: Scope, server: TestServer): Promise<Guest> {
  const guest = { username: 'guest', password: 'Guest-pass-1' };
  // There is no API for either yet; a second process on the same log is how they come to be.
  const record = recorder({ log: await openLogOf(t, server), catalogue, newEventId });
  const passwordHash = await hashPassword(guest.password);
  const user = { username: guest.username, userId: 1000, administrator: false, passwordHash };
  await createUser({ record })(user, { actor: 'system' });
  const project = { name: 'secret', projectId: 1000, public: false, owner: 'admin' };
  await createProject({ record })(project, { actor: 'system' });
  await until('the views show both', async () => {
    const as = `${guest.username}:${guest.password}`;
    const [user, project] = await Promise.all([
      send(server, 'GET', '/v2/', { as }),
      send(server, 'GET', '/v2/secret/x/tags/list'),
    ]);
    return user.status === 200 && !project.body.includes('project secret not found');
  });
  return guest;
}
