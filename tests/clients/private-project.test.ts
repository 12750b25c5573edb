import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { addMember, ask, createProject, createUser, json, password } from '../http/api-client.ts';
import { startServer, type TestServer } from '../server.ts';
import { type ContainerTools, startContainerTools } from './container-tools.ts';
import type { Account } from './guest.ts';
import { writeImage } from './layout.ts';

/** How one client is told who it is, for one push from an OCI layout and one pull into another. */
interface Client {
  push(tools: ContainerTools, as: Account, folder: string, to: string): Promise<unknown>;
  pull(tools: ContainerTools, as: Account, from: string, folder: string): Promise<unknown>;
}

const logIn = ({ run }: ContainerTools, { username, password }: Account, to: string) =>
  run('crane', 'auth', 'login', '-u', username, '-p', password, hostOf(to));
const regctl = ({ run }: ContainerTools, { username, password }: Account, host: string, ...args: string[]) =>
  run('regctl', '--host', `reg=${host},user=${username},pass=${password},tls=disabled`, ...args);
const hostOf = (reference: string): string => reference.split('/')[0] ?? '';

const clients: Readonly<Record<string, Client>> = {
  skopeo: {
    push: ({ run }, as, folder, to) =>
      run(
        'skopeo',
        'copy',
        '--all',
        '--dest-tls-verify=false',
        '--dest-creds',
        `${as.username}:${as.password}`,
        `oci:${folder}:layout`,
        `docker://${to}`,
      ),
    pull: ({ run }, as, from, folder) =>
      run(
        'skopeo',
        'copy',
        '--all',
        '--src-tls-verify=false',
        '--src-creds',
        `${as.username}:${as.password}`,
        `docker://${from}`,
        `oci:${folder}:layout`,
      ),
  },
  podman: {
    async push({ run }, as, folder, to) {
      const id = (await run('podman', 'pull', '--quiet', `oci:${folder}:layout`)).trim();
      await run('podman', 'push', '--tls-verify=false', '--creds', `${as.username}:${as.password}`, id, to);
    },
    async pull({ run }, as, from) {
      await run('podman', 'rmi', '--all', '--force');
      await run('podman', 'pull', '--tls-verify=false', '--creds', `${as.username}:${as.password}`, from);
    },
  },
  crane: {
    async push(tools, as, folder, to) {
      await logIn(tools, as, to);
      await tools.run('crane', 'push', folder, to);
    },
    async pull(tools, as, from, folder) {
      await logIn(tools, as, from);
      await tools.run('crane', 'pull', '--format', 'oci', from, folder);
    },
  },
  oras: {
    push: ({ run }, as, folder, to) =>
      run(
        'oras',
        'cp',
        '--from-oci-layout',
        '--to-plain-http',
        '--to-username',
        as.username,
        '--to-password',
        as.password,
        `${folder}:layout`,
        to,
      ),
    pull: ({ run }, as, from, folder) =>
      run(
        'oras',
        'cp',
        '--to-oci-layout',
        '--from-plain-http',
        '--from-username',
        as.username,
        '--from-password',
        as.password,
        from,
        `${folder}:layout`,
      ),
  },
  regctl: {
    push: (tools, as, folder, to) =>
      regctl(tools, as, hostOf(to), 'image', 'copy', `ocidir://${folder}:layout`, to),
    pull: (tools, as, from, folder) =>
      regctl(tools, as, hostOf(from), 'image', 'copy', from, `ocidir://${folder}:layout`),
  },
};

test('in a private project each client pushes and pulls for those who may, and for nobody else', async (t) => {
  const tools = await startContainerTools(t, Object.keys(clients));
  if (tools === undefined) return;
  const server = await startServer(t);
  const { directory } = tools;
  const people = await peopleOf(server);
  await writeImage(join(directory, 'image'), { 'etc/name': 'private' });

  for (const [client, { push, pull }] of Object.entries(clients)) {
    await t.test(client, async () => {
      const reference = (tag: string) => `${server.registry}/team/${client}:${tag}`;
      for (const [who, { account, mayPush }] of Object.entries(people)) {
        const pushed = push(tools, account, 'image', reference(who));
        if (mayPush) await pushed;
        else await assert.rejects(pushed, /denied|forbidden|403/i, `${who} may not push`);
      }
      for (const [who, { account, mayPull }] of Object.entries(people)) {
        const pulled = pull(tools, account, reference('developer'), join(directory, `${client}-${who}`));
        if (mayPull) await pulled;
        else await assert.rejects(pulled, /denied|forbidden|403/i, `${who} may not pull`);
      }
      const answer = await server.fetch(`/v2/team/${client}/tags/list`);
      const pushers = Object.entries(people).flatMap(([who, { mayPush }]) => (mayPush ? [who] : []));
      assert.deepEqual(((await answer.json()) as { tags: string[] }).tags, pushers.toSorted());
    });
  }
});

/** Everybody whom the project `team` knows, and one whom it does not know, by what the tags of their pushes are. */
async function peopleOf(server: TestServer) {
  await createProject(server, 'team');
  for (const username of ['developer', 'reader', 'outsider']) await createUser(server, username);
  await addMember(server, 'team', 'developer', 'developer');
  await addMember(server, 'team', 'reader', 'guest');
  const user = (username: string): Account => ({ username, password });
  return {
    developer: { account: user('developer'), mayPush: true, mayPull: true },
    robot: { account: await createRobot(server, 'ci', 'push', 'pull'), mayPush: true, mayPull: true },
    puller: { account: await createRobot(server, 'cluster', 'pull'), mayPush: false, mayPull: true },
    reader: { account: user('reader'), mayPush: false, mayPull: true },
    outsider: { account: user('outsider'), mayPush: false, mayPull: false },
  };
}

/** Its name has a `$` and a `+`, which clients have to bring through headers and forms. */
async function createRobot(server: TestServer, name: string, ...actions: string[]): Promise<Account> {
  const access = actions.map((action) => ({ resource: 'repository', action }));
  const body = {
    name,
    level: 'project',
    duration: -1,
    permissions: [{ kind: 'project', namespace: 'team', access }],
  };
  const answer = await ask(server, 'POST', '/robots', { body });
  assert.equal(answer.status, 201, answer.body.toString());
  const made = json(answer);
  assert.match(made.name, /^robot\$team\+/);
  return { username: made.name, password: made.secret };
}
