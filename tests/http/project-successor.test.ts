import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decision } from '../../commands/record.ts';
import { memberDecider } from '../../domain/member/decider.ts';
import { memberStream } from '../../domain/member/events.ts';
import { robotDecider } from '../../domain/robot/decider.ts';
import { robotStream } from '../../domain/robot/events.ts';
import { startServer } from '../server.ts';
import { addMember, api, ask, createProject, createUser, password } from './api-client.ts';
import { digestOf, header, mediaTypes, refusalOf, send } from './client.ts';
import { peopleOf } from './people.ts';
import { head, openRaw, type RawConnection, refusal } from './raw.ts';

const server = await startServer({ after });
const people = await peopleOf({ after }, server);
const userIds = { mallory: await createUser(server, 'mallory'), alice: await createUser(server, 'alice') };

/** A request whose body the server waits for when this resolves: whatever comes before the body is done. */
async function begun(
  t: { after(work: () => void): void },
  method: string,
  path: string,
  { as, body, type }: { readonly as: string; readonly body: string; readonly type: string },
): Promise<RawConnection> {
  const connection = openRaw(t, server);
  connection.write(
    head(
      `${method} ${path} HTTP/1.1`,
      `host: ${server.registry}`,
      `authorization: Basic ${Buffer.from(`${as}:${password}`).toString('base64')}`,
      `content-type: ${type}`,
      `content-length: ${Buffer.byteLength(body)}`,
      'expect: 100-continue',
    ),
  );
  assert.equal((await connection.answer()).status, 100);
  return connection;
}

const ownProject = (as: string, name: string) =>
  ask(server, 'POST', '/projects', { as, body: { project_name: name } });
const remove = (name: string) => ask(server, 'DELETE', `/projects/${name}`);
const statusFor = async (as: string, name: string) =>
  (await ask(server, 'GET', `/projects/${name}`, { as })).status;

test('who is being made a member when the project is deleted is no member of the next one of its name', async (t) => {
  await ownProject('mallory', 'raced');
  const body = JSON.stringify({ role_id: 1, member_user: { username: 'alice' } });
  const type = 'application/json';
  const adding = await begun(t, 'POST', `${api}/projects/raced/members`, { as: 'mallory', body, type });
  assert.equal((await remove('raced')).status, 200);
  adding.write(body);
  // As of a project that he may not see.
  assert.equal((await adding.answer()).status, 403);
  await createProject(server, 'raced');
  assert.deepEqual([await statusFor('mallory', 'raced'), await statusFor('alice', 'raced')], [403, 403]);
});

test('a role that is recorded after the project was deleted gives nothing in the next one of its name', async () => {
  const projectId = await createProject(server, 'late-role');
  assert.equal((await remove('late-role')).status, 200);
  const entity = { entityType: 'user', entityId: userIds.mallory } as const;
  const member = { memberId: 70_000, projectId, project: 'late-role', ...entity, entityName: 'mallory' };
  const { record, metadata } = people;
  const late = { do: 'add', ...member, role: 'projectAdmin' } as const;
  await record(metadata, decision(memberStream(projectId, entity), memberDecider, late));
  await createProject(server, 'late-role');
  assert.equal(await statusFor('mallory', 'late-role'), 403);
  const as = `mallory:${password}`;
  assert.equal((await send(server, 'POST', '/v2/late-role/app/blobs/uploads/', { as })).status, 403);
  await addMember(server, 'late-role', 'mallory', 'guest');
  assert.equal(await statusFor('mallory', 'late-role'), 200);
});

test('a robot that is recorded after its project was deleted logs in nowhere, nor in the next one of its name', async () => {
  const projectId = await createProject(server, 'late-robot');
  assert.equal((await remove('late-robot')).status, 200);
  const { record, metadata, allocateId, hashPassword } = people;
  const secret = 'Secret-of-a-robot-1';
  const late = async (name: string, project: { name: string; projectId: number } | null) => {
    const permissions = [
      { scope: { kind: 'project', project: 'late-robot' }, access: ['repository:pull'] },
    ] as const;
    const settings = { description: '', disabled: false, durationDays: -1, permissions };
    const creator = { creatorType: 'local', creatorRef: 1 } as const;
    const made = { robotId: await allocateId('robot', metadata), secretHash: await hashPassword(secret) };
    const command = {
      do: 'create',
      name,
      project,
      ...settings,
      ...creator,
      ...made,
      now: new Date(),
    } as const;
    await record(metadata, decision(robotStream(name), robotDecider, command));
    return `robot$${name}:${secret}`;
  };
  const own = await late('late-robot+ci', { name: 'late-robot', projectId });
  const everywhere = await late('everywhere', null);
  await createProject(server, 'late-robot');
  const list = async (as: string) =>
    (await send(server, 'GET', '/v2/late-robot/app/tags/list', { as })).status;
  assert.deepEqual([await list(own), await list(everywhere)], [401, 403]);
});

test('a robot is made only in the project that its maker may make robots in', async () => {
  const projectId = await createProject(server, 'robots');
  const { robot } = people;
  assert.equal((await remove('robots')).status, 200);
  const project = { name: 'robots', projectId };
  await assert.rejects(robot('robots+ci', 'Secret-of-a-robot-1', [], { project }), {
    reason: { kind: 'project-unknown', project: 'robots' },
  });
});

const anIndex = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] });
const asAlice = `alice:${password}`;

for (const [what, method, path, body, type] of [
  ['a manifest', 'PUT', 'manifests/1.0', anIndex, mediaTypes.index],
  ['a blob', 'POST', `blobs/uploads/?digest=${digestOf('a blob')}`, 'a blob', 'application/octet-stream'],
] as const) {
  const pushed = (name: string) => (what === 'a blob' ? `blobs/${digestOf('a blob')}` : `manifests/${name}`);

  test(`who is no member any more when the body of ${what} is there does not push it`, async (t) => {
    const name = what === 'a blob' ? 'left-blob' : 'left-manifest';
    await createProject(server, name);
    const member = await addMember(server, name, 'alice', 'developer');
    const pushing = await begun(t, method, `/v2/${name}/app/${path}`, { as: 'alice', body, type });
    assert.equal((await ask(server, 'DELETE', `/projects/${name}/members/${member}`)).status, 200);
    pushing.write(body);
    assert.deepEqual(refusal(await pushing.answer()), [403, 'DENIED']);
    assert.equal((await send(server, 'GET', `/v2/${name}/app/${pushed('1.0')}`)).status, 404);
  });

  test(`${what} of a deleted project does not get into the next one of its name`, async (t) => {
    const name = what === 'a blob' ? 'gone-blob' : 'gone-manifest';
    await createProject(server, name);
    await addMember(server, name, 'alice', 'developer');
    const pushing = await begun(t, method, `/v2/${name}/app/${path}`, { as: 'alice', body, type });
    assert.equal((await remove(name)).status, 200);
    await createProject(server, name);
    await addMember(server, name, 'alice', 'developer');
    pushing.write(body);
    assert.deepEqual(refusal(await pushing.answer()), [404, 'NAME_UNKNOWN']);
    assert.equal((await send(server, 'GET', `/v2/${name}/app/${pushed('1.0')}`)).status, 404);
    // Nothing is wrong with the push itself.
    const headers = { 'content-type': type };
    const again = await send(server, method, `/v2/${name}/app/${path}`, { as: asAlice, body, headers });
    assert.equal(again.status, 201);
  });
}

test('who is deleted while the body of a manifest comes does not push it', async (t) => {
  const id = await createUser(server, 'leaving');
  await createProject(server, 'abandoned');
  await addMember(server, 'abandoned', 'leaving', 'developer');
  const path = '/v2/abandoned/app/manifests/1.0';
  const pushing = await begun(t, 'PUT', path, { as: 'leaving', body: anIndex, type: mediaTypes.index });
  assert.equal((await ask(server, 'DELETE', `/users/${id}`)).status, 200);
  pushing.write(anIndex);
  assert.deepEqual(refusal(await pushing.answer()), [401, 'UNAUTHORIZED']);
  assert.equal((await send(server, 'GET', path)).status, 404);
});

test('an upload of a deleted project is unknown in the next one of its name', async () => {
  const digest = digestOf('finished in time');
  const asMember = async () => {
    await createProject(server, 'uploads');
    await addMember(server, 'uploads', 'alice', 'developer');
  };
  const start = async () =>
    header(await send(server, 'POST', '/v2/uploads/app/blobs/uploads/', { as: asAlice }), 'location');
  await asMember();
  const [open, finished] = [await start(), await start()];
  await send(server, 'PATCH', open, { as: asAlice, body: 'half' });
  const close = () =>
    send(server, 'PUT', `${finished}?digest=${digest}`, { as: asAlice, body: 'finished in time' });
  assert.equal((await close()).status, 201);
  assert.equal((await remove('uploads')).status, 200);
  await asMember();
  assert.deepEqual(refusalOf(await close()), [404, 'BLOB_UPLOAD_UNKNOWN']);
  const put = await send(server, 'PUT', `${open}?digest=${digestOf('half')}`, { as: asAlice });
  assert.deepEqual(refusalOf(put), [404, 'BLOB_UPLOAD_UNKNOWN']);
});
