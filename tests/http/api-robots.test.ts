import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
await createProject(server, 'other');
for (const role of ['projectAdmin', 'maintainer', 'developer', 'guest', 'limitedGuest'] as const) {
  await createUser(server, role.toLowerCase());
  await addMember(server, 'team', role.toLowerCase(), role);
}

const access = (...permissions: string[]) =>
  permissions.map((permission) => {
    const [resource, action] = permission.split(':');
    return { resource, action };
  });
const inTeam = { kind: 'project', namespace: 'team', access: access('repository:push', 'repository:pull') };
const forSystem = { kind: 'system', namespace: '/', access: access('project:list', 'user:list') };
const projectRobot = (name: string, more: object = {}) => ({
  name,
  level: 'project',
  duration: 30,
  description: 'builds',
  permissions: [inTeam],
  ...more,
});
const systemRobot = (name: string, more: object = {}) => ({
  name,
  level: 'system',
  duration: -1,
  permissions: [{ ...inTeam, namespace: '*' }, forSystem],
  ...more,
});
const create = (body: unknown, as?: string) =>
  ask(server, 'POST', '/robots', { body, ...(as !== undefined && { as }) });

test('a robot of a project shows its secret once', async () => {
  const answer = await create(projectRobot('ci', { secret: 'Chosen-by-the-client-1' }));
  const id = createdId(answer);
  const created = json(answer);
  assert.deepEqual([created.id, created.name], [id, 'robot$team+ci']);
  assert.match(created.secret, /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{30,128}$/);
  const born = Date.parse(created.creation_time);
  assert.equal(created.expires_at, Math.floor(born / 1000) + 30 * 24 * 3600);

  const { creation_time, update_time, ...robot } = json(await ask(server, 'GET', `/robots/${id}`));
  assert.deepEqual([creation_time, typeof update_time], [created.creation_time, 'string']);
  assert.deepEqual(robot, {
    id,
    name: 'robot$team+ci',
    description: 'builds',
    level: 'project',
    duration: 30,
    editable: true,
    disable: false,
    expires_at: created.expires_at,
    permissions: [inTeam],
    creator_type: 'local',
    creator_ref: 1,
  });
});

test('a robot of the system may have permissions for it and for projects, and live for ever', async () => {
  const id = createdId(await create(systemRobot('everywhere')));
  const { level, expires_at, duration, permissions } = json(await ask(server, 'GET', `/robots/${id}`));
  assert.deepEqual([level, expires_at, duration], ['system', -1, -1]);
  assert.deepEqual(permissions, [{ ...inTeam, namespace: '*' }, forSystem]);
});

const refused: readonly (readonly [string, object, number])[] = [
  ['no level', projectRobot('bad', { level: '' }), 400],
  ['a level that there is not', projectRobot('bad', { level: 'planet' }), 400],
  ['no duration', projectRobot('bad', { duration: undefined }), 400],
  ['a duration of 0', projectRobot('bad', { duration: 0 }), 400],
  ['a duration of -2', projectRobot('bad', { duration: -2 }), 400],
  ['too long a duration', projectRobot('bad', { duration: 2_147_483_647 }), 400],
  ['a project with a NUL', projectRobot('bad', { permissions: [{ ...inTeam, namespace: 'team\0' }] }), 400],
  ['a duration of half a day', projectRobot('bad', { duration: 0.5 }), 422],
  ['a name with a plus sign', projectRobot('team+bad'), 400],
  ['a name with capitals', projectRobot('Bad'), 400],
  ['no permissions', projectRobot('bad', { permissions: [] }), 400],
  ['no access', projectRobot('bad', { permissions: [{ ...inTeam, access: [] }] }), 400],
  ['two projects', projectRobot('bad', { permissions: [inTeam, inTeam] }), 400],
  ['every project', projectRobot('bad', { permissions: [{ ...inTeam, namespace: '*' }] }), 400],
  [
    'a permission for the system at the level of a project',
    projectRobot('bad', { permissions: [forSystem] }),
    400,
  ],
  [
    'a permission that there is not',
    systemRobot('bad', { permissions: [{ ...forSystem, access: access('made:up') }] }),
    400,
  ],
  [
    'a permission of projects for the system',
    systemRobot('bad', { permissions: [{ ...forSystem, access: access('repository:push') }] }),
    400,
  ],
  [
    'another namespace for the system',
    systemRobot('bad', { permissions: [{ ...forSystem, namespace: 'team' }] }),
    400,
  ],
  ['a kind that there is not', systemRobot('bad', { permissions: [{ ...forSystem, kind: 'planet' }] }), 400],
  [
    'a project that there is not',
    systemRobot('bad', { permissions: [{ ...inTeam, namespace: 'missing' }] }),
    404,
  ],
  [
    'a project of its own that there is not',
    projectRobot('bad', { permissions: [{ ...inTeam, namespace: 'missing' }] }),
    404,
  ],
  ['permissions that are no list', projectRobot('bad', { permissions: 'all' }), 422],
];
for (const [fault, body, status] of refused) {
  test(`a robot with ${fault} is refused with ${status}`, async () => {
    assert.equal((await create(body)).status, status);
  });
}

test('a name is taken once in a project, and once for the system', async () => {
  createdId(await create(projectRobot('named')));
  const elsewhere = { permissions: [{ ...inTeam, namespace: 'other' }] };
  createdId(await create(projectRobot('named', elsewhere)));
  createdId(await create(systemRobot('named')));
  for (const body of [projectRobot('named'), systemRobot('named')]) {
    const answer = await create(body);
    assert.deepEqual([answer.status, faultOf(answer).code], [409, 'CONFLICT']);
  }
});

test('a robot is changed as a whole, but for its name, its level and its project', async () => {
  const made = json(await create(projectRobot('changed')));
  const path = `/robots/${made.id}`;
  const put = (more: object) =>
    ask(server, 'PUT', path, { body: { ...projectRobot('robot$team+changed'), ...more } });
  const change = {
    duration: 60,
    disable: true,
    description: 'other',
    permissions: [{ ...inTeam, access: access('tag:list') }],
  };
  assert.equal((await put(change)).status, 200);
  const robot = json(await ask(server, 'GET', path));
  const { expires_at, ...rest } = robot;
  assert.equal(expires_at, made.expires_at + 30 * 24 * 3600);
  for (const [key, value] of Object.entries(change)) assert.deepEqual(rest[key], value, key);

  for (const fault of [
    { name: 'changed' },
    { name: 'robot$team+other' },
    { level: 'system' },
    { permissions: [{ ...inTeam, namespace: 'other' }] },
    { duration: 0 },
    { permissions: [] },
  ])
    assert.equal((await put(fault)).status, 400, JSON.stringify(fault));
  assert.deepEqual(json(await ask(server, 'GET', path)), robot);
});

test('a secret is renewed or chosen, and a weak one refused', async () => {
  const id = createdId(await create(projectRobot('secretive')));
  const patch = (secret: string) => ask(server, 'PATCH', `/robots/${id}`, { body: { secret } });
  const renewed = await patch('');
  assert.equal(renewed.status, 200);
  assert.match(json(renewed).secret, /^.{30,128}$/);
  assert.deepEqual(json(await patch('Chosen-by-the-client-1')), {});
  assert.equal((await patch('weak')).status, 400);
});

test('a deleted robot is gone, and its name is free', async () => {
  const id = createdId(await create(systemRobot('leaving')));
  assert.equal((await ask(server, 'DELETE', `/robots/${id}`)).status, 200);
  for (const method of ['GET', 'DELETE'])
    assert.equal((await ask(server, method, `/robots/${id}`)).status, 404);
  assert.ok(createdId(await create(systemRobot('leaving'))) > id);
});

test('robots of a project are read by guests and mightier ones, and changed by its administrators alone', async () => {
  const id = createdId(await create(projectRobot('guarded')));
  const list = `/robots?q=Level=project,ProjectID=${projectId}`;
  for (const [who, read, change] of [
    ['projectadmin', 200, 200],
    ['maintainer', 200, 403],
    ['developer', 200, 403],
    ['guest', 200, 403],
    ['limitedguest', 403, 403],
    ['', 401, 401],
  ] as const) {
    assert.equal((await ask(server, 'GET', `/robots/${id}`, { as: who })).status, read, who);
    assert.equal((await ask(server, 'GET', list, { as: who })).status, read, who);
    const body = projectRobot('robot$team+guarded');
    assert.equal((await ask(server, 'PUT', `/robots/${id}`, { as: who, body })).status, change, who);
    assert.equal((await ask(server, 'PATCH', `/robots/${id}`, { as: who, body: {} })).status, change, who);
    const made = await create(projectRobot(`made-by-${who || 'nobody'}`), who);
    assert.equal(made.status, change === 200 ? 201 : change, who);
    assert.equal((await ask(server, 'GET', '/robots', { as: who })).status, who === '' ? 401 : 403);
    assert.equal((await create(systemRobot('made-for-the-system'), who)).status, who === '' ? 401 : 403);
  }
});

test('without a level the robots of the system are listed, with one those of the project', async () => {
  const listed = async (query: string) => {
    const answer = await ask(server, 'GET', `/robots?page_size=100&${query}`);
    assert.equal(answer.status, 200, answer.body.toString());
    return json(answer).map(({ name, level }: { name: string; level: string }) => ({ name, level }));
  };
  assert.ok((await listed('')).every(({ level }: { level: string }) => level === 'system'));
  const ofTeam = await listed(`q=Level=project,ProjectID=${projectId}`);
  assert.ok(ofTeam.length > 3);
  assert.ok(ofTeam.every(({ name }: { name: string }) => name.startsWith('robot$team+')));
  // As harbor-cli writes it: encoded by itself and once more by its HTTP client.
  const twice = encodeURIComponent(
    encodeURIComponent(`Level=project,ProjectID=${projectId},name=team+named`),
  );
  assert.deepEqual(await listed(`q=${twice}`), [{ name: 'robot$team+named', level: 'project' }]);
  for (const q of ['Level=project', 'Level=project,ProjectID=0', 'Level=project,ProjectID=x', 'Level=planet'])
    assert.equal((await ask(server, 'GET', `/robots?q=${q}`)).status, 400, q);
  assert.equal((await ask(server, 'GET', '/robots?q=Level=project,ProjectID=99999')).status, 404);
});

test('a deleted project takes its robots along', async () => {
  await createProject(server, 'short');
  const mine = { permissions: [{ ...inTeam, namespace: 'short' }] };
  const id = createdId(await create(projectRobot('ci', mine)));
  const wide = createdId(
    await create(systemRobot('wide', { permissions: [{ ...inTeam, namespace: 'short' }, forSystem] })),
  );
  await ask(server, 'DELETE', '/projects/short');
  await createProject(server, 'short');
  assert.equal((await ask(server, 'GET', `/robots/${id}`)).status, 404);
  assert.deepEqual(json(await ask(server, 'GET', `/robots/${wide}`)).permissions, [forSystem]);
  createdId(await create(projectRobot('ci', mine)));
});

test('a robot for millions of years is one to the end of time, and holds nothing up', async () => {
  const created = json(await create(projectRobot('eternal', { duration: 2_147_483_646 })));
  assert.equal(created.expires_at, Math.floor(Date.parse('9999-12-31T23:59:59Z') / 1000));
  const { duration, expires_at } = json(await ask(server, 'GET', `/robots/${created.id}`));
  assert.deepEqual([duration, expires_at], [2_147_483_646, created.expires_at]);
});
