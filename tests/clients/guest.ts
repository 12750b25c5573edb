import { createProject, createUser, password } from '../http/api-client.ts';
import type { TestServer } from '../server.ts';

export interface Account {
  readonly username: string;
  readonly password: string;
}

/** A user who administers nothing and is a member of no project: may pull what is public, and push nothing. */
export async function createGuest(server: TestServer): Promise<Account> {
  await createUser(server, 'guest');
  // Private, and so nothing that the guest may see.
  await createProject(server, 'secret');
  return { username: 'guest', password };
}
