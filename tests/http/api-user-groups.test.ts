import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { api, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';

const server = await startServer({ after });
await createUser(server, 'stranger');

const create = (group_name: unknown, group_type: unknown = 3, more: object = {}) =>
  ask(server, 'POST', '/usergroups', { body: { group_name, group_type, ...more } });
const created = async (name: string, type = 3) => createdId(await create(name, type));
const namesOf = (answer: Parameters<typeof json>[0]): string[] =>
  json(answer).map(({ group_name }: { group_name: string }) => group_name);

test('a group is created, shown without its number, called otherwise, and deleted', async () => {
  const answer = await create('builders');
  const id = createdId(answer);
  assert.equal(header(answer, 'location'), `${api}/usergroups/${id}`);
  assert.equal(answer.body.length, 0);
  const path = `/usergroups/${id}`;
  assert.deepEqual(json(await ask(server, 'GET', path)), { group_name: 'builders', group_type: 3 });

  const body = { group_name: 'makers', group_type: 2, ldap_group_dn: 'cn=makers' };
  assert.equal((await ask(server, 'PUT', path, { body })).status, 200);
  const renamed = { group_name: 'makers', group_type: 3 };
  assert.deepEqual(json(await ask(server, 'GET', path)), renamed, 'the name alone is changed');
  const [found] = json(await ask(server, 'GET', '/usergroups?group_name=MAKE'));
  assert.deepEqual(found, { id, ...renamed });

  assert.equal((await ask(server, 'DELETE', path)).status, 200);
  assert.equal((await ask(server, 'GET', path)).status, 404);
  assert.equal((await ask(server, 'PUT', path, { body })).status, 404);
  assert.equal((await ask(server, 'DELETE', path)).status, 200, 'as Harbor answers');
});

test('a list comes in pages in the order of the names, and is filtered by a part of them', async () => {
  for (const name of ['list-c', 'list-a', 'list_b', 'list%d']) await created(name);
  const listed = (query: string) => ask(server, 'GET', `/usergroups?group_name=list${query}`);
  assert.deepEqual(namesOf(await listed('')), ['list%d', 'list-a', 'list-c', 'list_b']);
  assert.deepEqual(namesOf(await listed('-')), ['list-a', 'list-c']);
  assert.deepEqual(namesOf(await listed('_')), ['list_b'], 'no letter is a wildcard');
  assert.deepEqual(namesOf(await listed('%25')), ['list%d']);
  const page = await listed('&page=2&page_size=3');
  assert.deepEqual([namesOf(page), page.headers['x-total-count']], [['list_b'], '4']);
  assert.match(header(page, 'link'), /rel="prev"$/);
  assert.equal(namesOf(await listed('&page=0&page_size=0')).length, 4);
  const byDn = await listed('&ldap_group_dn=cn%3Dnone');
  assert.equal(namesOf(byDn).length, 4, 'means nothing where users are not of a directory');
});

test('whoever is logged in searches groups by a part of their names', async () => {
  const id = await created('Searched');
  const search = (query: string, as = 'stranger') => ask(server, 'GET', `/usergroups/search${query}`, { as });
  assert.deepEqual(json(await search('?groupname=ARCH')), [{ id, group_name: 'Searched', group_type: 3 }]);
  assert.deepEqual(json(await search('?groupname=nowhere')), []);
  assert.equal((await search('')).status, 422);
  assert.equal((await search('?groupname=a', '')).status, 401);
});

for (const [what, body, status] of [
  ['without a body', undefined, 400],
  ['without a type', { group_name: 'x' }, 400],
  ['of a type that there is not', { group_name: 'x', group_type: 4 }, 400],
  ['of a type that is no number', { group_name: 'x', group_type: 'oidc' }, 422],
  ['of a huge type', { group_name: 'x', group_type: 2 ** 53 - 1 }, 400],
  ['without a name', { group_type: 3 }, 400],
  ['with a blank name', { group_name: '  ', group_type: 2 }, 400],
  ['with a name of 256 characters', { group_name: 'x'.repeat(256), group_type: 2 }, 400],
  ['with a NUL in its name', { group_name: 'a\0b', group_type: 2 }, 400],
  ['with half a character in its name', '{"group_name":"a\\ud800b","group_type":2}', 400],
  ['of a directory without a distinguished name', { group_name: 'x', group_type: 1 }, 400],
  ['of a directory, which there is not', { group_type: 1, ldap_group_dn: 'cn=x,dc=example' }, 400],
] as const) {
  test(`a group ${what} is refused with ${status}`, async () => {
    const answer = await ask(server, 'POST', '/usergroups', { body });
    assert.equal(answer.status, status, answer.body.toString());
  });
}

test('a new name is as good as a first one', async () => {
  const id = await created('renaming');
  const rename = async (body: unknown) => (await ask(server, 'PUT', `/usergroups/${id}`, { body })).status;
  for (const body of [undefined, {}, { group_name: '' }, { group_name: 'a\0b' }])
    assert.equal(await rename(body), 400);
  assert.equal(await rename({ group_name: 7 }), 422);
  assert.equal(await rename({ group_name: 'renaming' }), 200, 'the name that it has');
});

test('a name is taken once for each type, and free when its group is gone or called otherwise', async () => {
  const [id] = [await created('once', 3), await created('once', 2)];
  const again = await create('once', 3);
  assert.deepEqual([again.status, faultOf(again).code], [409, 'CONFLICT']);
  const other = await created('twice', 3);
  const path = `/usergroups/${other}`;
  assert.equal((await ask(server, 'PUT', path, { body: { group_name: 'once' } })).status, 409);
  assert.equal((await ask(server, 'PUT', `/usergroups/${id}`, { body: { group_name: 'one' } })).status, 200);
  assert.equal((await ask(server, 'PUT', path, { body: { group_name: 'once' } })).status, 200);
  await ask(server, 'DELETE', path);
  await created('once', 3);
});

test('of many who create or rename to one name at once, one succeeds', async () => {
  const id = await created('before');
  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => create('raced')),
    ask(server, 'PUT', `/usergroups/${id}`, { body: { group_name: 'raced' } }),
  ]);
  const statuses = answers.map(({ status }) => status);
  assert.deepEqual([statuses.filter((status) => status === 409).length, statuses.length], [5, 6]);
  assert.equal(namesOf(await ask(server, 'GET', '/usergroups?group_name=raced')).length, 1);
});

test('the number of a group is greater than 0, and one beyond all numbers is that of none', async () => {
  const statusOf = async (method: string, id: string) =>
    (
      await ask(server, method, `/usergroups/${id}`, {
        ...(method === 'PUT' && { body: { group_name: 'x' } }),
      })
    ).status;
  for (const method of ['GET', 'PUT', 'DELETE']) {
    for (const id of ['0', '-1']) assert.equal(await statusOf(method, id), 400, `${method} ${id}`);
    assert.equal(await statusOf(method, 'x'), 422);
    for (const id of ['999999', '99999999999999'])
      assert.equal(await statusOf(method, id), method === 'DELETE' ? 200 : 404, `${method} ${id}`);
  }
});

test('groups are for administrators of the system', async () => {
  const id = await created('guarded');
  for (const [as, status] of [
    ['', 401],
    ['stranger', 403],
  ] as const)
    for (const [method, path, body] of [
      ['GET', '/usergroups', undefined],
      ['POST', '/usergroups', { group_name: 'x', group_type: 3 }],
      ['GET', `/usergroups/${id}`, undefined],
      ['PUT', `/usergroups/${id}`, { group_name: 'x' }],
      ['DELETE', `/usergroups/${id}`, undefined],
    ] as const)
      assert.equal((await ask(server, method, path, { as, body })).status, status, `${method} ${path}`);
});

test('a group that is deleted is a member of no project, whichever comes first', async () => {
  await createProject(server, 'left');
  for (let round = 0; round < 5; round += 1) {
    const id = await created(`leaving-${round}`);
    const body = { role_id: 2, member_group: { id } };
    const [added, deleted] = await Promise.all([
      ask(server, 'POST', '/projects/left/members', { body }),
      ask(server, 'DELETE', `/usergroups/${id}`),
    ]);
    assert.ok([201, 400, 404].includes(added.status), added.body.toString());
    assert.equal(deleted.status, 200);
    const members = await ask(server, 'GET', '/projects/left/members');
    assert.deepEqual([json(members).length, members.headers['x-total-count']], [1, '1']);
  }
});
