import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, api, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
const userIds: Record<string, number> = {};
for (const name of ['jane', 'john', 'stranger']) userIds[name] = await createUser(server, name);

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
  ['a group', { role_id: 2, member_group: { group_name: 'developers' } }, 400],
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
