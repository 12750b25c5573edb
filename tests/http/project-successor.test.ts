import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decision } from '../../commands/record.ts';
import { memberDecider } from '../../domain/member/decider.ts';
import { memberStream } from '../../domain/member/events.ts';
import { robotDecider } from '../../domain/robot/decider.ts';
import { robotStream } from '../../domain/robot/events.ts';
import { startServer } from '../server.ts';
import { addMember, api, ask, createProject, createUser, password } from './api-client.ts';
import { send } from './client.ts';
import { peopleOf } from './people.ts';
import { head, openRaw, type RawConnection } from './raw.ts';

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
  assert.equal((await adding.answer()).status, 404);
  await createProject(server, 'raced');
  assert.deepEqual([await statusFor('mallory', 'raced'), await statusFor('alice', 'raced')], [403, 403]);
});

test('a role that is recorded after the project was deleted gives nothing in the next one of its name', async () => {
  const projectId = await createProject(server, 'late-role');
  assert.equal((await remove('late-role')).status, 200);
  const userId = userIds.mallory;
  const member = { memberId: 70_000, projectId, project: 'late-role', userId, username: 'mallory' };
  const { record, metadata } = people;
  const late = { do: 'add', ...member, role: 'projectAdmin' } as const;
  await record(metadata, decision(memberStream(projectId, userId), memberDecider, late));
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
