import { addPrivateProject, addUser } from '../http/accounts.ts';
import type { Scope, TestServer } from '../server.ts';

/** A user who administers nothing and is a member of no project: may pull what is public, and push nothing. */
export interface Guest {
  readonly username: string;
  readonly password: string;
}

/** Also creates the project `secret`, which is private and which the guest must not see. */
export async function createGuest(t: Scope, server: TestServer): Promise<Guest> {
  const as = await addUser(t, server, { username: 'guest', userId: 1000, administrator: false });
  await addPrivateProject(t, server, { name: 'secret', projectId: 1000 });
  return { username: 'guest', password: as.slice('guest:'.length) };
}
