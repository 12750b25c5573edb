import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, faultOf, json, password, roleIds } from './api-client.ts';
import { digestOf, header, pushImage, type Sent, send } from './client.ts';
import { askToken, bearer } from './token-client.ts';

const server = await startServer({ after });
await createProject(server, 'team');
await createProject(server, 'open', true);
for (const project of ['team', 'open']) await pushImage(server, `${project}/app`, '1.0');
const roles = Object.keys(roleIds) as (keyof typeof roleIds)[];
for (const role of roles) {
  await createUser(server, role.toLowerCase());
  await addMember(server, 'team', role.toLowerCase(), role);
}
await createUser(server, 'stranger');

/** The statuses of a pull, a push, its cancellation, and the deletion of a manifest that is not there. */
async function statusesIn(project: string, sent: Sent): Promise<readonly (number | undefined)[]> {
  const statusOf = async (method: string, path: string) => (await send(server, method, path, sent)).status;
  const pulled = await statusOf('GET', `/v2/${project}/app/manifests/1.0`);
  const opened = await send(server, 'POST', `/v2/${project}/app/blobs/uploads/`, sent);
  const upload = opened.status === 202 ? header(opened, 'location') : undefined;
  const cancelled = upload === undefined ? undefined : await statusOf('DELETE', upload);
  const deleted = await statusOf('DELETE', `/v2/${project}/app/manifests/${digestOf('never pushed')}`);
  return [pulled, opened.status, cancelled, deleted];
}

const everything = [200, 202, 204, 404] as const;
const noDeletion = [200, 202, 204, 403] as const;
const pullAlone = [200, 403, undefined, 403] as const;
const nothing = [403, 403, undefined, 403] as const;
const expected: readonly (readonly [who: string, inTeam: readonly unknown[], inOpen: readonly unknown[]])[] =
  [
    ['projectadmin', everything, pullAlone],
    ['maintainer', everything, pullAlone],
    ['developer', noDeletion, pullAlone],
    ['guest', pullAlone, pullAlone],
    ['limitedguest', pullAlone, pullAlone],
    ['stranger', nothing, pullAlone],
  ];
for (const [who, inTeam, inOpen] of expected) {
  test(`what a ${who} may by the matrix he may on /v2, with a password and with a token for everything`, async () => {
    const as = `${who}:${password}`;
    for (const [project, statuses] of [
      ['team', inTeam],
      ['open', inOpen],
    ] as const) {
      const { token } = await askToken(server, { as, scope: [`repository:${project}/app:*`] });
      assert.deepEqual(await statusesIn(project, { as }), statuses, `${project}, password`);
      assert.deepEqual(await statusesIn(project, bearer(token)), statuses, `${project}, token`);
    }
  });
}

test('a refusal begins with the words of Harbor, which scripts look for, and ends with the reason', async () => {
  const as = `guest:${password}`;
  const { token } = await askToken(server, { as, scope: ['repository:team/app:pull'] });
  const told = async (method: string, path: string, sent: Sent) =>
    faultOf(await send(server, method, `/v2/team/app/${path}`, sent)).message;
  const begin = 'unauthorized to access repository: team/app, action:';
  const manifest = `manifests/${digestOf('never pushed')}`;
  assert.equal(await told('GET', 'tags/list', { as: '' }), `${begin} pull: authentication required`);
  assert.equal(await told('POST', 'blobs/uploads/', { as }), `${begin} push: no permission`);
  assert.equal(await told('DELETE', manifest, bearer(token)), `${begin} delete: the token does not cover it`);
});

test('what was given for a project that was deleted is good for nothing in the next one of its name', async () => {
  await createProject(server, 'reborn');
  await addMember(server, 'reborn', 'stranger', 'maintainer');
  const push = { resource: 'repository', action: 'push' };
  const permissions = [{ kind: 'project', namespace: 'reborn', access: [push] }];
  const robots = await Promise.all(
    (['project', 'system'] as const).map(async (level) => {
      const body = { name: 'ci', level, duration: -1, permissions };
      const { name, secret } = json(await ask(server, 'POST', '/robots', { body }));
      return `${name}:${secret}`;
    }),
  );
  const scope = ['repository:reborn/app:pull,push'];
  const given = await Promise.all(
    [`stranger:${password}`, ...robots].map(async (as) =>
      bearer((await askToken(server, { as, scope })).token),
    ),
  );
  const statuses = () =>
    Promise.all(
      given.map(async (sent) => (await send(server, 'POST', '/v2/reborn/app/blobs/uploads/', sent)).status),
    );
  assert.deepEqual(await statuses(), [202, 202, 202]);

  assert.equal((await ask(server, 'DELETE', '/projects/reborn')).status, 200);
  await createProject(server, 'reborn');
  // The robot that belonged to the project is gone with it.
  assert.deepEqual(await statuses(), [403, 401, 403]);
});
