import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, api, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
const publicId = await createProject(server, 'open', true);
for (const name of ['jane', 'stranger']) await createUser(server, name);
await addMember(server, 'team', 'jane', 'maintainer');

const inProject = (name: string, id = projectId) => ({ name, scope: 'p', project_id: id });
const create = async (body: object, as?: string) =>
  createdId(await ask(server, 'POST', '/labels', { body, ...(as !== undefined && { as }) }));
const namesIn = async (query: string): Promise<string[]> =>
  json(await ask(server, 'GET', `/labels?${query}`)).map(({ name }: { name: string }) => name);

test('a label of the system is created, read, changed and deleted', async () => {
  const look = { description: 'Tested by hand', color: '#0065AB' };
  const created = await ask(server, 'POST', '/labels/', { body: { name: 'ready', scope: 'g', ...look } });
  const id = createdId(created);
  assert.equal(header(created, 'location'), `${api}/labels/${id}`);
  const { creation_time, update_time, ...label } = json(await ask(server, 'GET', `/labels/${id}`));
  assert.deepEqual(label, { id, name: 'ready', scope: 'g', ...look });
  assert.equal(creation_time, update_time);

  const body = { name: 'done', scope: 'p', project_id: projectId };
  assert.equal((await ask(server, 'PUT', `/labels/${id}`, { body })).status, 200);
  const changed = json(await ask(server, 'GET', `/labels/${id}`));
  // What a change does not give is gone, and a label stays where it is.
  assert.deepEqual(
    [changed.name, changed.description, changed.color, changed.scope, changed.project_id],
    ['done', '', '', 'g', undefined],
  );
  assert.equal((await ask(server, 'DELETE', `/labels/${id}`)).status, 200);
  for (const method of ['GET', 'PUT', 'DELETE'])
    assert.equal((await ask(server, method, `/labels/${id}`, { body: { name: 'x' } })).status, 404, method);
});

test('a label of a project says which', async () => {
  const id = await create(inProject('of the team'), 'jane');
  const { scope, project_id } = json(await ask(server, 'GET', `/labels/${id}`, { as: 'jane' }));
  assert.deepEqual([scope, project_id], ['p', projectId]);
});

test('a name is given once in the system and once in each project', async () => {
  const first = await create({ name: 'taken', scope: 'g' });
  for (const id of [projectId, publicId]) await create(inProject('taken', id));
  const again = await ask(server, 'POST', '/labels', { body: { name: 'taken', scope: 'g' } });
  assert.deepEqual([again.status, faultOf(again).code], [409, 'CONFLICT']);
  const other = await create({ name: 'free', scope: 'g' });
  assert.equal((await ask(server, 'PUT', `/labels/${other}`, { body: { name: 'taken' } })).status, 409);
  assert.equal((await ask(server, 'PUT', `/labels/${first}`, { body: { name: 'given up' } })).status, 200);
  assert.equal((await ask(server, 'PUT', `/labels/${other}`, { body: { name: 'taken' } })).status, 200);
});

test('of many who create one label at once, one succeeds', async () => {
  const body = { name: 'raced', scope: 'g' };
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => ask(server, 'POST', '/labels', { body })),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409, 409, 409]);
});

test('of many labels that are given one name at once, one gets it', async () => {
  const ids = await Promise.all(['a', 'b', 'c', 'd'].map((name) => create(inProject(`rival ${name}`))));
  const answers = await Promise.all(
    ids.map((id) => ask(server, 'PUT', `/labels/${id}`, { body: { name: 'won' } })),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409, 409, 409]);
});

const refused: readonly (readonly [string, unknown, number])[] = [
  ['no scope', { name: 'x' }, 400],
  ['an unknown scope', { name: 'x', scope: 'x' }, 400],
  ['no project', { name: 'x', scope: 'p' }, 400],
  ['the project 0', { name: 'x', scope: 'p', project_id: 0 }, 400],
  ['a project that is not there', { name: 'x', scope: 'p', project_id: 999_999 }, 404],
  ['a project with a huge number', { name: 'x', scope: 'p', project_id: 2 ** 40 }, 404],
  ['a project that is no number', { name: 'x', scope: 'p', project_id: 'team' }, 422],
  ['no name', { scope: 'g' }, 400],
  ['an empty name', { name: '', scope: 'g' }, 400],
  ['a name of 129 characters', { name: 'x'.repeat(129), scope: 'g' }, 400],
  ['a name with a NUL', { name: 'a\0b', scope: 'g' }, 400],
  ['a name with half a character', { name: 'a\ud800b', scope: 'g' }, 400],
  ['a name that is a number', { name: 1, scope: 'g' }, 422],
  ['a description with a NUL', { name: 'x', scope: 'g', description: 'a\0b' }, 400],
  ['a long description', { name: 'x', scope: 'g', description: 'x'.repeat(1025) }, 400],
  ['a color that is a style', { name: 'x', scope: 'g', color: 'red;x:y' }, 400],
  ['an empty body', '', 422],
  ['a list', [], 422],
];
for (const [what, body, status] of refused) {
  test(`creating a label with ${what} is refused with ${status}`, async () => {
    assert.equal((await ask(server, 'POST', '/labels', { body })).status, status);
  });
}

test('a name has up to 128 characters, whatever they are', async () => {
  for (const name of ['😀'.repeat(128), 'with spaces & <tags>', 'ü']) {
    const id = await create({ name, scope: 'g' });
    assert.equal(json(await ask(server, 'GET', `/labels/${id}`)).name, name);
  }
});

test('a color is written in hex digits or as a name, or not at all', async () => {
  for (const color of ['#FFFFFF', '#fff', 'rebeccapurple', '']) {
    const id = await create({ name: `color ${color}`, scope: 'g', color });
    assert.equal(json(await ask(server, 'GET', `/labels/${id}`)).color, color);
  }
});

test('an id that no label has is not found', async () => {
  for (const id of ['0', '-1', '999999', '4294967297'])
    assert.equal((await ask(server, 'GET', `/labels/${id}`)).status, 404, id);
  assert.equal((await ask(server, 'GET', '/labels/x')).status, 422);
  assert.equal((await ask(server, 'GET', '/labels/999999', { as: '' })).status, 401);
});

test('a list is of the system or of one project', async () => {
  await create({ name: 'list a', scope: 'g' });
  await create({ name: 'LIST b', scope: 'g' });
  await create(inProject('list c'));
  assert.deepEqual(await namesIn('scope=g&name=list'), ['LIST b', 'list a']);
  assert.deepEqual(await namesIn(`scope=p&project_id=${projectId}&name=list`), ['list c']);
  assert.deepEqual(await namesIn(`scope=p&project_id=${projectId}&name=`), [
    ...(await namesIn(`scope=p&project_id=${projectId}&page_size=0`)),
  ]);
  assert.deepEqual(await namesIn('scope=g&q=name%3Dlist%20a'), ['list a']);
  assert.deepEqual(await namesIn('scope=g&name=list&sort=-name'), ['list a', 'LIST b']);
  const page = await ask(server, 'GET', '/labels?scope=g&name=list&page_size=1');
  assert.equal(page.headers['x-total-count'], '2');
  assert.match(header(page, 'link'), /rel="next"/);
});

test('a list without a scope, or of no project, is refused', async () => {
  for (const query of ['', '?scope=', '?scope=x', '?scope=p', '?scope=p&project_id=0']) {
    const answer = await ask(server, 'GET', `/labels${query}`);
    assert.equal(answer.status, 400, query);
  }
  assert.equal(faultOf(await ask(server, 'GET', '/labels?scope=x')).message, 'invalid scope: x');
  assert.equal((await ask(server, 'GET', '/labels?scope=p&project_id=x')).status, 422);
});

test('everybody sees the list of the system, and of a project who may', async () => {
  for (const as of ['', 'stranger'])
    assert.equal((await ask(server, 'GET', '/labels?scope=g', { as })).status, 200, as);
  const cases = [
    [projectId, '', 401],
    [projectId, 'stranger', 403],
    [projectId, 'jane', 200],
    [publicId, '', 200],
    [publicId, 'stranger', 200],
    [999_999, '', 401],
    [999_999, 'stranger', 403],
    [999_999, undefined, 404],
  ] as const;
  for (const [id, as, status] of cases) {
    const answer = await ask(server, 'GET', `/labels?scope=p&project_id=${id}`, {
      ...(as !== undefined && { as }),
    });
    assert.equal(answer.status, status, `${id} as ${as}`);
  }
});

test('labels of the system are for administrators of it alone', async () => {
  const id = await create({ name: 'guarded', scope: 'g' });
  for (const [as, status] of [
    ['', 401],
    ['jane', 403],
  ] as const) {
    const body = { name: 'stolen', scope: 'g' };
    assert.equal((await ask(server, 'POST', '/labels', { as, body })).status, status);
    for (const method of ['GET', 'PUT', 'DELETE'])
      assert.equal((await ask(server, method, `/labels/${id}`, { as, body })).status, status, method);
  }
  assert.match(faultOf(await ask(server, 'GET', `/labels/${id}`, { as: 'jane' })).message, /^jane /);
});

test('labels of a project are read by guests and mightier ones, and changed by maintainers', async () => {
  const teamId = await createProject(server, 'roles');
  const id = await create(inProject('kept', teamId));
  const cases = [
    ['projectAdmin', 200, 200],
    ['maintainer', 200, 200],
    ['developer', 200, 403],
    ['guest', 200, 403],
    ['limitedGuest', 403, 403],
  ] as const;
  for (const [role, read, change] of cases) {
    const as = `label-${role.toLowerCase()}`;
    await createUser(server, as);
    await addMember(server, 'roles', as, role);
    assert.equal(
      (await ask(server, 'GET', `/labels?scope=p&project_id=${teamId}`, { as })).status,
      read,
      role,
    );
    assert.equal((await ask(server, 'GET', `/labels/${id}`, { as })).status, read, role);
    const own = await ask(server, 'POST', '/labels', { as, body: inProject(`by ${role}`, teamId) });
    assert.equal(own.status, change === 200 ? 201 : change, role);
    assert.equal(
      (await ask(server, 'PUT', `/labels/${id}`, { as, body: { name: 'kept' } })).status,
      change,
      role,
    );
    const path = own.status === 201 ? header(own, 'location') : `/labels/${id}`;
    assert.equal((await ask(server, 'DELETE', path, { as })).status, change, role);
  }
  assert.equal((await ask(server, 'GET', `/labels/${id}`, { as: '' })).status, 401);
});

test('the labels of a project go with it, and the next one of its name has none', async () => {
  const before = await createProject(server, 'passing');
  const id = await create(inProject('gone', before));
  assert.equal((await ask(server, 'DELETE', '/projects/passing')).status, 200);
  assert.equal((await ask(server, 'GET', `/labels/${id}`)).status, 404);
  const next = await createProject(server, 'passing');
  assert.deepEqual(await namesIn(`scope=p&project_id=${next}`), []);
  await create(inProject('gone', next));
});

test('a robot does with labels what it was given', async () => {
  const made = await ask(server, 'POST', '/robots', {
    body: {
      name: 'labeller',
      level: 'system',
      duration: -1,
      permissions: [
        { kind: 'system', namespace: '/', access: [{ resource: 'label', action: 'create' }] },
        { kind: 'project', namespace: 'team', access: [{ resource: 'label', action: 'read' }] },
      ],
    },
  });
  const { name, secret } = json(made);
  const as = `${name}:${secret}`;
  const id = await create({ name: 'by a robot', scope: 'g' }, as);
  assert.equal((await ask(server, 'GET', `/labels/${id}`, { as })).status, 403);
  const ofTeam = await create(inProject('for a robot'));
  assert.equal((await ask(server, 'GET', `/labels/${ofTeam}`, { as })).status, 200);
  assert.equal((await ask(server, 'DELETE', `/labels/${ofTeam}`, { as })).status, 403);
});
