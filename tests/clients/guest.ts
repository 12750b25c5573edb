import { addPrivateProject, addUser } from '../http/accounts.ts';
import type { Scope, TestServer } from '../server.ts';

/** A user who administers nothing and is a member of no project: may pull what is public, and push nothing. */
export interface Guest {
  readonly username: string;
  readonly password: string;
}

/** Also makes the project `secret`, which is private and which the guest must not see. */
export async function createGuest(t: Scope, server: TestServer): Promise<Guest> {
  const username = 'guest';
  await addPrivateProject(t, server, { name: 'secret', projectId: 1000 });
  const credentials = await addUser(t, server, { username, userId: 1000, administrator: false });
  return { username, password: credentials.slice(username.length + 1) };
}
