import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { ask, createProject, createUser, faultOf, json, password } from './api-client.ts';
import { pushImage, send } from './client.ts';

const server = await startServer({ after });
await createProject(server, 'team');
await createProject(server, 'hidden');
await createProject(server, 'open', true);
await pushImage(server, 'team/app', '1.0');
await createUser(server, 'dev');

interface Grant {
  readonly kind: 'project' | 'system';
  readonly namespace: string;
  readonly access: readonly { readonly resource: string; readonly action: string }[];
}
const grant = (namespace: string, ...permissions: string[]): Grant => ({
  kind: namespace === '/' ? 'system' : 'project',
  namespace,
  access: permissions.map((permission) => {
    const [resource = '', action = ''] = permission.split(':');
    return { resource, action };
  }),
});

/** Makes a robot and returns what it logs in with. */
async function robot(name: string, level: 'project' | 'system', ...permissions: Grant[]): Promise<string> {
  const answer = await ask(server, 'POST', '/robots', { body: { name, level, duration: -1, permissions } });
  assert.equal(answer.status, 201, answer.body.toString());
  const made = json(answer);
  return `${made.name}:${made.secret}`;
}

test('a robot pulls and pushes as it was given, until it is disabled, gets another secret or is deleted', async () => {
  const as = await robot('ci', 'project', grant('team', 'repository:push'));
  const pull = async () => (await send(server, 'GET', '/v2/team/app/manifests/1.0', { as })).status;
  const push = async () => (await send(server, 'POST', '/v2/team/app/blobs/uploads/', { as })).status;
  assert.deepEqual([await pull(), await push()], [200, 202]);
  assert.notEqual((await send(server, 'GET', '/v2/hidden/app/tags/list', { as })).status, 200);

  const [{ id, ...form }] = json(await ask(server, 'GET', `/robots?q=Level=project,ProjectID=2`));
  const change = (more: object) => ask(server, 'PUT', `/robots/${id}`, { body: { ...form, ...more } });
  assert.equal((await change({ disable: true })).status, 200);
  assert.equal(await pull(), 401);
  assert.equal((await change({ disable: false })).status, 200);
  assert.equal(await pull(), 200);
  await ask(server, 'PATCH', `/robots/${id}`, { body: { secret: 'Chosen-by-the-client-1' } });
  assert.equal(await pull(), 401);
  const chosen = `${form.name}:Chosen-by-the-client-1`;
  assert.equal((await send(server, 'GET', '/v2/', { as: chosen })).status, 200);
  await ask(server, 'DELETE', `/robots/${id}`);
  assert.equal((await send(server, 'GET', '/v2/', { as: chosen })).status, 401);
});

test('a robot sees in the list of projects what it was given and what is public', async () => {
  const names = async (as: string) =>
    json(await ask(server, 'GET', '/projects?page_size=100', { as })).map(
      ({ name }: { name: string }) => name,
    );
  const one = await robot('sees-one', 'system', grant('hidden', 'repository:pull'));
  assert.deepEqual(await names(one), ['hidden', 'library', 'open']);
  for (const all of [grant('*', 'repository:pull'), grant('/', 'project:list')])
    assert.deepEqual(await names(await robot(`sees-all-${all.kind}`, 'system', all)), [
      'hidden',
      'library',
      'open',
      'team',
    ]);
});

test('a robot gives to robots no more than it has', async () => {
  const maker = await robot('maker', 'project', grant('team', 'robot:create', 'repository:pull'));
  const make = (name: string, ...permissions: Grant[]) =>
    ask(server, 'POST', '/robots', { as: maker, body: { name, level: 'project', duration: 1, permissions } });
  const made = await make('made', grant('team', 'repository:pull'));
  assert.equal(made.status, 201);
  const { creator_type } = json(await ask(server, 'GET', `/robots/${json(made).id}`));
  assert.equal(creator_type, 'robot');
  const more = await make('more', grant('team', 'repository:push'));
  assert.deepEqual([more.status, faultOf(more).code], [403, 'DENIED']);
  assert.equal((await make('elsewhere', grant('hidden', 'repository:pull'))).status, 403);

  const system = await robot(
    'system-maker',
    'system',
    grant('/', 'robot:create'),
    grant('team', 'repository:pull'),
  );
  for (const wider of [
    grant('*', 'repository:pull'),
    grant('/', 'user:create'),
    grant('open', 'repository:pull'),
  ]) {
    const body = { name: 'wider', level: 'system', duration: 1, permissions: [wider] };
    const answer = await ask(server, 'POST', '/robots', { as: system, body });
    assert.deepEqual([answer.status, faultOf(answer).code], [403, 'DENIED'], JSON.stringify(wider));
  }
});

test('a robot creates projects only if it was given that, and they belong to an administrator', async () => {
  const body = { project_name: 'by-robot' };
  const refused = [
    await robot('in-team', 'project', grant('team', 'project:read')),
    await robot('reader', 'system', grant('*', 'project:read')),
  ];
  for (const as of refused) assert.equal((await ask(server, 'POST', '/projects', { as, body })).status, 403);
  const as = await robot('founder', 'system', grant('/', 'project:create'));
  assert.equal((await ask(server, 'POST', '/projects', { as, body })).status, 201);
  assert.equal(json(await ask(server, 'GET', '/projects/by-robot')).owner_name, 'admin');
});

test('a robot is no user: it has no profile, and manages users only if it was given that', async () => {
  const plain = await robot('plain', 'system', grant('*', 'repository:pull'));
  assert.equal((await ask(server, 'GET', '/users/current', { as: plain })).status, 412);
  assert.equal((await ask(server, 'GET', '/users', { as: plain })).status, 403);
  const lister = await robot('lister', 'system', grant('/', 'user:list'));
  assert.equal((await ask(server, 'GET', '/users', { as: lister })).status, 200);
  assert.equal((await ask(server, 'DELETE', '/users/3', { as: lister })).status, 403);
});

test('a robot lists all repositories only if it was given that, with its secret and with a token', async () => {
  const reader = await robot('cataloguer', 'system', grant('/', 'catalog:read'));
  const puller = await robot('pulls-all', 'system', grant('*', 'repository:pull'));
  for (const [as, status] of [
    [reader, 200],
    [puller, 403],
  ] as const) {
    const query = 'service=harbor-registry&scope=registry:catalog:*';
    const { token } = json(await send(server, 'GET', `/service/token?${query}`, { as }));
    const headers = { authorization: `Bearer ${token}` };
    for (const sent of [{ as }, { as: '', headers }])
      assert.equal((await send(server, 'GET', '/v2/_catalog', sent)).status, status);
  }
});

test('a robot that was given every project has those that are made later as well', async () => {
  const as = await robot('foresighted', 'system', grant('*', 'repository:push'));
  await createProject(server, 'later');
  const statusOf = async (method: string, path: string) =>
    (await send(server, method, `/v2/later/app/${path}`, { as })).status;
  assert.equal(await statusOf('POST', 'blobs/uploads/'), 202);
  // A robot of the system pulls only where it was given that by name.
  assert.equal(await statusOf('GET', 'tags/list'), 403);
});

test('a token of the registry opens nothing of the management API, whoever it was given to', async () => {
  const issued = await send(
    server,
    'GET',
    '/service/token?service=harbor-registry&scope=repository:team/app:pull',
  );
  assert.equal(issued.status, 200);
  const headers = { authorization: `Bearer ${json(issued).token}` };
  assert.equal((await send(server, 'GET', '/v2/team/app/manifests/1.0', { as: '', headers })).status, 200);
  for (const path of ['/users', '/users/current', '/projects/team'])
    assert.equal((await ask(server, 'GET', path, { as: '', headers })).status, 401, path);
});

test('a user logs in with the e-mail address as well', async () => {
  assert.equal(
    (await ask(server, 'GET', '/users/current', { as: `DEV@example.com:${password}` })).status,
    200,
  );
});
