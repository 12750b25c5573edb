import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { pushImage, send } from './client.ts';

const server = await startServer({ after });
for (const name of ['dev', 'leader']) await createUser(server, name);
await createProject(server, 'team');
await addMember(server, 'team', 'leader', 'projectAdmin');

interface Row {
  readonly username: string;
  readonly operation: string;
  readonly resource_type: string;
  readonly resource: string;
  readonly operation_description: string;
  readonly operation_result: boolean;
}
const log = async (query = '', project = 'team'): Promise<Row[]> => {
  const answer = await ask(server, 'GET', `/projects/${project}/auditlog-exts?page_size=100${query}`, {
    as: 'leader',
  });
  assert.equal(answer.status, 200, answer.body.toString());
  const rows = json(answer);
  assert.equal(answer.headers['x-total-count'], String(rows.length));
  return rows;
};
const told = ({ username, operation, resource_type, resource }: Row): string =>
  `${username} ${operation} ${resource_type} ${resource}`;
/** What was logged since there were so many. */
async function since(count: number): Promise<string[]> {
  const rows = await log();
  return rows.slice(0, rows.length - count).map(told);
}

test('the log of a project begins with it, and tells of each change who made it', async () => {
  assert.deepEqual((await log()).map(told).toSorted(), [
    'admin create member leader',
    'admin create project team',
  ]);
  const before = (await log()).length;
  await ask(server, 'PUT', '/projects/team', { as: 'leader', body: { metadata: { auto_scan: 'true' } } });
  const memberId = await addMember(server, 'team', 'dev', 'guest');
  await ask(server, 'PUT', `/projects/team/members/${memberId}`, { as: 'leader', body: { role_id: 2 } });
  await ask(server, 'DELETE', `/projects/team/members/${memberId}`, { as: 'leader' });
  assert.deepEqual(await since(before), [
    'leader delete member dev',
    'leader update member dev',
    'admin create member dev',
    'leader update project team',
  ]);
  const [removed] = await log('&q=operation=delete,resource_type=member');
  assert.deepEqual(
    [removed?.operation_description, removed?.operation_result],
    ['delete user member dev from project team', true],
  );
});

test('a push with a tag is one entry by that tag, one without by its digest', async () => {
  const before = (await log()).length;
  const { digest, manifest } = await pushImage(server, 'team/app', 'v1');
  const untagged = await pushImage(server, 'team/app', 'v1', 'other').then(({ digest }) => digest);
  const at = `/v2/team/app/manifests/${digest}`;
  await send(server, 'DELETE', at);
  await send(server, 'PUT', at, {
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body: manifest,
  });
  assert.deepEqual(await since(before), [
    `admin create artifact team/app@${digest}`,
    `admin delete artifact team/app@${digest}`,
    'admin create artifact team/app:v1',
    'admin create artifact team/app:v1',
  ]);
  const [last] = await log('&q=resource=team/app:v1');
  assert.equal(last?.operation_description, `push artifact: team/app@${untagged}`);
});

test('tags of their own are entries of their own, and what goes with something greater is not', async () => {
  await pushImage(server, 'team/tagged', 'v1');
  const before = (await log()).length;
  const artifact = '/projects/team/repositories/tagged/artifacts/v1';
  await ask(server, 'POST', `${artifact}/tags`, { as: 'leader', body: { name: 'v2' } });
  await ask(server, 'DELETE', `${artifact}/tags/v2`, { as: 'leader' });
  await ask(server, 'DELETE', '/projects/team/repositories/tagged', { as: 'leader' });
  assert.deepEqual(await since(before), [
    'leader delete repository team/tagged',
    'leader delete tag team/tagged:v2',
    'leader create tag team/tagged:v2',
  ]);
});

test('robots are told by their full names, and found by them', async () => {
  const permissions = [
    {
      kind: 'project',
      namespace: 'team',
      access: ['push', 'pull'].map((action) => ({ resource: 'repository', action })),
    },
  ];
  const made = json(
    await ask(server, 'POST', '/robots', {
      as: 'leader',
      body: { name: 'ci', level: 'project', duration: -1, permissions },
    }),
  );
  const as = `${made.name}:${made.secret}`;
  const upload = await send(server, 'POST', '/v2/team/built/blobs/uploads/', { as });
  assert.equal(upload.status, 202);
  assert.equal((await log()).map(told)[0], 'leader create robot team+ci');
  const { manifest } = await pushImage(server, 'team/built', 'by-admin');
  await send(server, 'PUT', '/v2/team/built/manifests/by-robot', {
    as,
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body: manifest,
  });
  const found = await log(`&q=${encodeURIComponent(encodeURIComponent('username=robot$team+ci'))}`);
  assert.deepEqual(found.map(told), ['robot$team+ci create artifact team/built:by-robot']);
});

test('the log is for administrators of the project, and none of its former namesake’s', async () => {
  for (const [as, status] of [
    ['', 401],
    ['dev', 403],
  ] as const)
    assert.equal((await ask(server, 'GET', '/projects/team/logs', { as })).status, status);
  const [row] = json(await ask(server, 'GET', '/projects/team/logs'));
  assert.deepEqual(Object.keys(row).toSorted(), [
    'id',
    'op_time',
    'operation',
    'resource',
    'resource_type',
    'username',
  ]);
  await createProject(server, 'again');
  await ask(server, 'PUT', '/projects/again', { body: { metadata: { auto_scan: 'true' } } });
  assert.equal((await ask(server, 'DELETE', '/projects/again')).status, 200);
  await createProject(server, 'again');
  const rows = json(await ask(server, 'GET', '/projects/again/logs'));
  assert.deepEqual(
    rows.map(({ operation, resource_type }: Row) => `${operation} ${resource_type}`),
    ['create project'],
  );
});

test('the log is filtered and paged like every list', async () => {
  const first = await ask(server, 'GET', '/projects/team/logs?page_size=2&sort=id');
  assert.equal(json(first).length, 2);
  assert.match(String(first.headers.link), /page=2&page_size=2&sort=id>; rel="next"/);
  assert.ok((await log('&q=op_time=[2020-01-01T00:00:00~]')).length > 5);
  assert.deepEqual(await log('&q=op_time=[~2020-01-01T00:00:00]'), []);
  assert.deepEqual(await log(`&q=${encodeURIComponent("username=' OR 1=1")}`), []);
});

test('the log is the same when it is built anew', async () => {
  const { code, output } = await server.run('verify');
  assert.equal(code, 0, output);
});
