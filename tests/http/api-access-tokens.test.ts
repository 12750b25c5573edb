import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header, send } from './client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
await createProject(server, 'hidden');
const alice = await createUser(server, 'alice');
await createUser(server, 'bob');
await addMember(server, 'team', 'alice', 'projectAdmin');

const access = (...permissions: string[]) =>
  permissions.map((permission) => {
    const [resource = '', action = ''] = permission.split(':');
    return { resource, action };
  });
const inTeam = { kind: 'project', namespace: 'team', access: access('repository:pull') };
const inAll = { kind: 'project', namespace: '*', access: access('repository:pull', 'repository:push') };
const path = '/users/current/tokens';

let made = 0;
const create = (more: object = {}, as = 'alice', at = path) =>
  ask(server, 'POST', at, { as, body: { name: `token ${++made}`, duration: 30, ...more } });

test('an access token shows its secret once, in a form that scanners know', async () => {
  const before = Date.now();
  const answer = await create({ name: ' laptop ', description: 'pushes', permissions: [inTeam, inAll] });
  const id = createdId(answer);
  assert.equal(header(answer, 'location'), `/api/v2.0${path}/${id}`);
  const { token, creation_time, expires_at, ...shown } = json(answer);
  assert.match(token, new RegExp(`^shiplog_pat_${id}_[0-9A-Za-z]{49}$`));
  assert.ok(Date.parse(creation_time) >= before);
  assert.equal(expires_at, Math.floor(Date.parse(creation_time) / 1000) + 30 * 24 * 3600);
  assert.deepEqual(shown, {
    id,
    user_id: alice,
    name: 'laptop',
    description: 'pushes',
    permissions: [inTeam, inAll],
    last_used: null,
  });
  for (const at of [path, `/users/${alice}/tokens`]) {
    const read = await ask(server, 'GET', `${at}/${id}`, { as: 'alice' });
    assert.deepEqual(json(read), { ...shown, creation_time, expires_at });
    assert.ok(!read.body.includes(token.slice(-20)));
  }
});

test('a token may be for ever, and for all that its user may', async () => {
  const { expires_at, permissions } = json(await create({ duration: -1, permissions: null }));
  assert.deepEqual([expires_at, permissions], [-1, null]);
});

const refused: readonly (readonly [string, object | string, number])[] = [
  ['no name', { name: '' }, 400],
  ['a name of spaces', { name: '  ' }, 400],
  ['a name with a NUL', { name: 'a\0b' }, 400],
  ['a name with half a character', { name: 'a\ud800b' }, 400],
  ['a name of 101 characters', { name: 'x'.repeat(101) }, 400],
  ['a number for a name', { name: 7 }, 422],
  ['too long a description', { description: 'x'.repeat(1025) }, 400],
  ['no duration', { duration: undefined }, 422],
  ['a duration of 0', { duration: 0 }, 400],
  ['a duration of more than ten years', { duration: 3651 }, 400],
  ['a huge duration', { duration: 1e300 }, 422],
  ['a duration of half a day', { duration: 0.5 }, 422],
  ['no permissions in a list of them', { permissions: [] }, 400],
  ['permissions that are no list', { permissions: 'all' }, 422],
  ['no access', { permissions: [{ ...inTeam, access: [] }] }, 400],
  ['a permission that there is not', { permissions: [{ ...inTeam, access: access('made:up') }] }, 400],
  ['a permission of projects for the system', { permissions: [{ ...inTeam, kind: 'system' }] }, 400],
  ['a kind that there is not', { permissions: [{ ...inTeam, kind: 'planet' }] }, 400],
  ['a project that there is not', { permissions: [{ ...inTeam, namespace: 'missing' }] }, 404],
  ['a project with a NUL', { permissions: [{ ...inTeam, namespace: 'te\0am' }] }, 404],
  ['a project that the user does not see', { permissions: [{ ...inTeam, namespace: 'hidden' }] }, 404],
  ['1001 permissions', { permissions: Array.from({ length: 1001 }, () => inTeam) }, 400],
];
for (const [fault, more, status] of refused) {
  test(`a token with ${fault} is refused with ${status}`, async () => {
    assert.equal((await create(more as object)).status, status);
  });
}

test('of many that ask for one name at once, one gets it', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => create({ name: 'wanted' })));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [201, ...Array.from({ length: 7 }, () => 409)]);
  const lost = answers.find(({ status }) => status === 409);
  assert.equal(lost && faultOf(lost).code, 'CONFLICT');
  const [id = 0] = answers.filter(({ status }) => status === 201).map(createdId);
  assert.equal((await create({ name: 'wanted' }, 'bob')).status, 201, 'another user has names of his own');
  assert.equal((await ask(server, 'DELETE', `${path}/${id}`, { as: 'alice' })).status, 200);
  assert.equal((await create({ name: 'wanted' })).status, 201);
});

test('tokens are listed in pages, by name, and filtered', async () => {
  const body = { comment: '', email: 'carol@example.com', realname: 'C', username: 'carol' };
  createdId(await ask(server, 'POST', '/users', { body: { ...body, password: 'Passw0rd-of-a-test' } }));
  for (const name of ['c', 'a', 'b']) await create({ name }, 'carol');
  const names = (answer: Awaited<ReturnType<typeof ask>>) =>
    json(answer).map(({ name }: { name: string }) => name);
  const first = await ask(server, 'GET', `${path}?page_size=2`, { as: 'carol' });
  assert.deepEqual(names(first), ['a', 'b']);
  assert.equal(header(first, 'x-total-count'), '3');
  assert.match(header(first, 'link'), /page=2&page_size=2/);
  assert.deepEqual(names(await ask(server, 'GET', `${path}?sort=-id`, { as: 'carol' })), ['b', 'a', 'c']);
  assert.deepEqual(names(await ask(server, 'GET', `${path}?q=name=~B`, { as: 'carol' })), ['b']);
  assert.equal((await ask(server, 'GET', `${path}?page_size=101`, { as: 'carol' })).status, 422);
});

test('a user sees and revokes no tokens of others; an administrator does, and makes none for them', async () => {
  const id = createdId(await create());
  const of = `/users/${alice}/tokens`;
  for (const [who, status] of [
    ['bob', 403],
    ['', 401],
  ] as const) {
    for (const [method, at] of [
      ['GET', of],
      ['GET', `${of}/${id}`],
      ['DELETE', `${of}/${id}`],
    ] as const)
      assert.equal((await ask(server, method, at, { as: who })).status, status, `${who} ${method} ${at}`);
    assert.equal((await create({}, who, of)).status, status);
  }
  assert.equal((await ask(server, 'DELETE', `${path}/${id}`, { as: 'bob' })).status, 404);

  assert.ok(json(await ask(server, 'GET', of)).length > 0);
  const made = await ask(server, 'POST', of, { body: { name: 'for her', duration: 1 } });
  assert.deepEqual([made.status, faultOf(made).code], [403, 'FORBIDDEN']);
  assert.equal((await ask(server, 'DELETE', `${of}/${id}`)).status, 200);
  for (const method of ['GET', 'DELETE'])
    assert.equal((await ask(server, method, `${of}/${id}`)).status, 404);
});

test('tokens are asked for of users that there are, by numbers', async () => {
  for (const [at, status] of [
    ['/users/99999/tokens', 404],
    ['/users/99999999999999/tokens', 404],
    ['/users/somebody/tokens', 422],
    [`${path}/x`, 422],
    [`${path}/0`, 404],
  ] as const)
    assert.equal((await ask(server, 'GET', at)).status, status, at);
});

test('a robot account has no access tokens', async () => {
  const permissions = [{ kind: 'system', namespace: '/', access: access('user:list', 'user:update') }];
  const body = { name: 'ci', level: 'system', duration: -1, permissions };
  const robot = json(await ask(server, 'POST', '/robots', { body }));
  const as = `${robot.name}:${robot.secret}`;
  assert.equal((await ask(server, 'GET', path, { as })).status, 412);
  assert.equal((await create({}, as)).status, 412);
  assert.equal((await create({}, as, `/users/${alice}/tokens`)).status, 403);
});

test('a deleted user leaves no token behind', async () => {
  const userId = await createUser(server, 'leaver');
  const { token } = json(await create({}, 'leaver'));
  const api = (as: string) => ask(server, 'GET', '/users/current', { as });
  assert.equal((await api(`leaver:${token}`)).status, 200);
  assert.equal((await ask(server, 'DELETE', `/users/${userId}`)).status, 200);
  await createUser(server, 'leaver');
  assert.equal((await api(`leaver:${token}`)).status, 401);
  assert.deepEqual(json(await ask(server, 'GET', path, { as: 'leaver' })), []);
  assert.equal((await ask(server, 'GET', `/users/${userId}/tokens`)).status, 404);
});

test('a user has at most 100 tokens', async () => {
  await createUser(server, 'hoarder');
  for (let count = 0; count < 100; count += 20) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => create({}, 'hoarder')));
    assert.ok(answers.every(({ status }) => status === 201));
  }
  const answer = await create({}, 'hoarder');
  assert.deepEqual([answer.status, faultOf(answer).code], [412, 'PRECONDITION']);
});

test('no secret is in the log of the server, nor a token in a path of it', async () => {
  const { token } = json(await create());
  await ask(server, 'GET', '/users/current', { as: `alice:${token}` });
  await send(server, 'GET', '/v2/', { as: '', headers: { authorization: `Bearer ${token}` } });
  assert.ok(!JSON.stringify(server.lines).includes(token.slice(-30)));
});

test('the number of the project is not shown, and a project deleted since then gives nothing to the next', async () => {
  await createProject(server, 'short');
  await addMember(server, 'short', 'alice', 'developer');
  const limited = [{ ...inTeam, namespace: 'short' }];
  const { token, permissions } = json(await create({ permissions: limited }));
  assert.deepEqual(permissions, limited);
  const tags = async () =>
    (await send(server, 'GET', '/v2/short/app/tags/list', { as: `alice:${token}` })).status;
  assert.equal(await tags(), 404);
  assert.equal((await ask(server, 'DELETE', '/projects/short')).status, 200);
  await createProject(server, 'short');
  await addMember(server, 'short', 'alice', 'developer');
  assert.equal(await tags(), 403);
  assert.ok(projectId > 0);
});
