import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, api, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
const userIds: Record<string, number> = {};
for (const name of ['jane', 'john', 'stranger']) userIds[name] = await createUser(server, name);
const createGroup = async (group_name: string, group_type = 3): Promise<number> =>
  createdId(await ask(server, 'POST', '/usergroups', { body: { group_name, group_type } }));
const buildersId = await createGroup('builders');

test('who creates a project is its first member', async () => {
  const answer = await ask(server, 'GET', '/projects/team/members');
  assert.equal(answer.headers['x-total-count'], '1');
  const [{ id, ...member }] = json(answer);
  assert.ok(id >= 1);
  assert.deepEqual(member, {
    project_id: projectId,
    entity_name: 'admin',
    role_name: 'projectAdmin',
    role_id: 1,
    entity_id: 1,
    entity_type: 'u',
  });
});

test('a member is added by name or number, read, changed and removed', async () => {
  const added = await ask(server, 'POST', `/projects/${projectId}/members`, {
    body: { role_id: 2, member_user: { user_id: userIds.jane } },
  });
  const id = createdId(added);
  assert.equal(header(added, 'location'), `${api}/projects/${projectId}/members/${id}`);
  const path = `/projects/team/members/${id}`;
  const { entity_name, role_name } = json(await ask(server, 'GET', path));
  assert.deepEqual([entity_name, role_name], ['jane', 'developer']);
  assert.equal((await ask(server, 'PUT', path, { body: { role_id: 5 } })).status, 200);
  assert.equal(json(await ask(server, 'GET', path)).role_name, 'limitedGuest');
  assert.equal((await ask(server, 'DELETE', path)).status, 200);
  for (const method of ['GET', 'DELETE']) assert.equal((await ask(server, method, path)).status, 404);
  assert.ok((await addMember(server, 'team', 'jane', 'guest')) > id);
});

test('a location names the project as the client has named it', async () => {
  const added = await ask(server, 'POST', '/projects/team/members/', {
    body: { role_id: 3, member_user: { username: 'john' } },
  });
  assert.match(header(added, 'location'), /^\/api\/v2\.0\/projects\/team\/members\/\d+$/);
});

const refused: readonly (readonly [string, unknown, number])[] = [
  ['nobody', { role_id: 2 }, 400],
  ['an empty user', { role_id: 2, member_user: {} }, 400],
  ['an unknown number', { role_id: 2, member_user: { user_id: 999_999 } }, 400],
  ['an unknown name', { role_id: 2, member_user: { username: 'nobody' } }, 404],
  ['a name with a NUL', { role_id: 2, member_user: { username: 'a\0b' } }, 404],
  ['no body', undefined, 400],
  ['a huge number', { role_id: 2, member_user: { user_id: 2 ** 53 - 1 } }, 400],
  ['an empty group', { role_id: 2, member_group: {} }, 400],
  ['an unknown group', { role_id: 2, member_group: { id: 999_999 } }, 400],
  [
    'a group ahead of an unknown name',
    { role_id: 2, member_user: { username: 'nobody' }, member_group: { id: 999_999 } },
    400,
  ],
  [
    'a group by an unknown name',
    { role_id: 2, member_group: { group_name: 'nobodies', group_type: 3 } },
    400,
  ],
  ['a group by a name with a NUL', { role_id: 2, member_group: { group_name: 'a\0b', group_type: 3 } }, 400],
  [
    'a group by the name of one of another type',
    { role_id: 2, member_group: { group_name: 'builders', group_type: 2 } },
    400,
  ],
  ['a group by its name alone', { role_id: 2, member_group: { group_name: 'builders' } }, 400],
  [
    'a group of a directory, which there is not',
    { role_id: 2, member_group: { ldap_group_dn: 'cn=x' } },
    400,
  ],
  ['a group with a role that there is not', { role_id: 6, member_group: { id: buildersId } }, 400],
  ['a role that there is not', { role_id: 6, member_user: { username: 'stranger' } }, 400],
  ['no role', { member_user: { username: 'stranger' } }, 400],
  ['a member, whatever the role', { role_id: 99, member_user: { username: 'admin' } }, 409],
  ['a role that is no number', { role_id: 'developer', member_user: { username: 'stranger' } }, 422],
];
for (const [what, body, status] of refused) {
  test(`adding ${what} is refused with ${status}`, async () => {
    assert.equal((await ask(server, 'POST', '/projects/team/members', { body })).status, status);
  });
}

test('a member of another project is not found in this one', async () => {
  await createProject(server, 'other');
  const id = await addMember(server, 'other', 'john', 'guest');
  assert.equal((await ask(server, 'GET', `/projects/team/members/${id}`)).status, 404);
  assert.equal(
    (await ask(server, 'PUT', `/projects/team/members/${id}`, { body: { role_id: 1 } })).status,
    404,
  );
  assert.equal(
    (await ask(server, 'PUT', `/projects/team/members/${id}`, { body: { role_id: 9 } })).status,
    400,
  );
});

test('members are seen by guests and mightier ones, and changed by administrators of the project alone', async () => {
  await createProject(server, 'roles');
  const target = await addMember(server, 'roles', 'john', 'guest');
  const cases = [
    ['projectAdmin', 200, 200],
    ['maintainer', 200, 403],
    ['developer', 200, 403],
    ['guest', 200, 403],
    ['limitedGuest', 403, 403],
  ] as const;
  for (const [role, read, change] of cases) {
    const name = `member-${role.toLowerCase()}`;
    await createUser(server, name);
    const own = await addMember(server, 'roles', name, role);
    assert.equal((await ask(server, 'GET', '/projects/roles/members', { as: name })).status, read, role);
    assert.equal(
      (await ask(server, 'GET', `/projects/roles/members/${own}`, { as: name })).status,
      read,
      role,
    );
    const path = `/projects/roles/members/${target}`;
    assert.equal((await ask(server, 'PUT', path, { as: name, body: { role_id: 3 } })).status, change, role);
    const body = { role_id: 1, member_user: { username: 'stranger' } };
    if (change === 403) {
      assert.equal(
        (await ask(server, 'POST', '/projects/roles/members', { as: name, body })).status,
        403,
        role,
      );
      assert.equal(
        (await ask(server, 'DELETE', `/projects/roles/members/${own}`, { as: name })).status,
        403,
        role,
      );
    }
  }
  assert.equal((await ask(server, 'GET', '/projects/roles/members', { as: 'stranger' })).status, 403);
  assert.equal((await ask(server, 'GET', '/projects/library/members', { as: 'stranger' })).status, 403);
  assert.equal((await ask(server, 'GET', '/projects/library/members', { as: '' })).status, 401);
});

test('a list is ordered by name and filtered by the whole name', async () => {
  const names = async (query: string) =>
    json(await ask(server, 'GET', `/projects/team/members${query}`)).map(
      ({ entity_name }: { entity_name: string }) => entity_name,
    );
  assert.deepEqual(await names(''), ['admin', 'jane', 'john']);
  assert.deepEqual(await names('?entityname=jane'), ['jane']);
  assert.deepEqual(await names('?entityname=jan'), []);
  const filtered = await ask(server, 'GET', '/projects/team/members?entityname=jane');
  assert.equal(filtered.headers['x-total-count'], '3');
});

test('who is deleted is a member of nothing, nor is the next one of the name', async () => {
  await createProject(server, 'left');
  const id = await createUser(server, 'leaving');
  await addMember(server, 'left', 'leaving', 'projectAdmin');
  await ask(server, 'DELETE', `/users/${id}`);
  assert.equal(json(await ask(server, 'GET', '/projects/left/members')).length, 1);
  await createUser(server, 'leaving');
  assert.equal((await ask(server, 'GET', '/projects/left', { as: 'leaving' })).status, 403);
});

test('of many who add one member at once, one succeeds', async () => {
  await createProject(server, 'raced');
  const answers = await Promise.all(
    Array.from({ length: 6 }, () =>
      ask(server, 'POST', '/projects/raced/members', {
        body: { role_id: 2, member_user: { username: 'jane' } },
      }),
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409, 409, 409]);
  assert.equal(faultOf(answers.find(({ status }) => status === 409) ?? assert.fail()).code, 'CONFLICT');
});

test('a group is a member like a user: added by number or name, read, changed and removed', async () => {
  await createProject(server, 'grouped');
  const members = '/projects/grouped/members';
  const add = (member_group: object, role_id = 2) =>
    ask(server, 'POST', members, { body: { role_id, member_group } });
  const id = createdId(await add({ id: buildersId }));
  const path = `${members}/${id}`;
  const { project_id, ...member } = json(await ask(server, 'GET', path));
  assert.equal(typeof project_id, 'number');
  assert.deepEqual(member, {
    id,
    entity_name: 'builders',
    role_name: 'developer',
    role_id: 2,
    entity_id: buildersId,
    entity_type: 'g',
  });
  const again = await add({ group_name: 'builders', group_type: 3 }, 99);
  assert.equal(again.status, 409, 'ahead of the role');
  assert.equal((await ask(server, 'PUT', path, { body: { role_id: 4 } })).status, 200);
  assert.equal(json(await ask(server, 'GET', path)).role_name, 'maintainer');
  assert.equal((await ask(server, 'DELETE', path)).status, 200);
  assert.equal((await ask(server, 'GET', path)).status, 404);
  assert.ok(createdId(await add({ group_name: 'builders', group_type: 3 })) > id);
});

test('a group is found among the members by its name, also when it is called otherwise', async () => {
  await createProject(server, 'renamed');
  const id = await createGroup('early');
  const members = '/projects/renamed/members';
  await ask(server, 'POST', members, { body: { role_id: 3, member_group: { id } } });
  const names = async (query = '') =>
    json(await ask(server, 'GET', `${members}${query}`)).map(
      ({ entity_name }: { entity_name: string }) => entity_name,
    );
  assert.deepEqual(await names(), ['admin', 'early']);
  await ask(server, 'PUT', `/usergroups/${id}`, { body: { group_name: 'above' } });
  assert.deepEqual(await names(), ['above', 'admin']);
  assert.deepEqual(await names('?entityname=above'), ['above']);
  assert.deepEqual(await names('?entityname=early'), []);
});

test('a user and a group of one number are two members', async () => {
  await createProject(server, 'numbers');
  const groupIds: number[] = [];
  while ((groupIds.at(-1) ?? 0) < (userIds.jane ?? 0))
    groupIds.push(await createGroup(`n-${groupIds.length}`));
  const number = userIds.jane;
  for (const member of [{ member_user: { user_id: number } }, { member_group: { id: number } }])
    createdId(await ask(server, 'POST', '/projects/numbers/members', { body: { role_id: 3, ...member } }));
  assert.equal(json(await ask(server, 'GET', '/projects/numbers/members')).length, 3);
});

test('a project that is deleted takes its groups along', async () => {
  await createProject(server, 'short');
  const body = { role_id: 3, member_group: { id: buildersId } };
  createdId(await ask(server, 'POST', '/projects/short/members', { body }));
  await ask(server, 'DELETE', '/projects/short');
  await createProject(server, 'short');
  assert.equal(json(await ask(server, 'GET', '/projects/short/members')).length, 1);
});

test('the number of a member is one of a member, and a role belongs to a change', async () => {
  const statusOf = async (id: string, body: unknown) =>
    (await ask(server, 'PUT', `/projects/team/members/${id}`, { body })).status;
  assert.equal(await statusOf('0', { role_id: 2 }), 400);
  for (const body of [undefined, {}, { role_id: null }, { role_id: 0 }])
    assert.equal(await statusOf('1', body), 400);
  assert.equal(await statusOf('1', { role_id: '2' }), 422);
  assert.equal(await statusOf('99999999999999', { role_id: 2 }), 400);
  assert.equal(await statusOf('999999', { role_id: 2 }), 404);
});
