import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { changeMember } from '../../commands/change-member.ts';
import { changePassword } from '../../commands/change-password.ts';
import { changeRobot } from '../../commands/change-robot.ts';
import { changeRobotSecret } from '../../commands/change-robot-secret.ts';
import { deleteRobot } from '../../commands/delete-robot.ts';
import { decision } from '../../commands/record.ts';
import { removeMember } from '../../commands/remove-member.ts';
import { forEver, robotDecider } from '../../domain/robot/decider.ts';
import { robotStream } from '../../domain/robot/events.ts';
import { userDecider } from '../../domain/user/decider.ts';
import { userStream } from '../../domain/user/events.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { type Answer, digestOf, pushImage, refusalOf, send } from './client.ts';
import { peopleOf } from './people.ts';
import { accessOf, askToken, bearer, challengeOf, postForm, tokenFor } from './token-client.ts';

const server = await startServer({ after });
const people = await peopleOf({ after }, server);
const { record, metadata, hashPassword } = people;
const project = await people.privateProject('team');
await pushImage(server, 'team/app', '1.0');
const path = '/v2/team/app/manifests/1.0';
let made = 0;

/** Somebody new with a token for the repository, which is good. */
async function member(role: 'developer' | 'guest') {
  const user = await people.user(`dev${++made}`, 'Passw0rd');
  const membership = await people.member(project, user, role);
  const actions = role === 'developer' ? 'pull,push' : 'pull';
  const scope = [`repository:team/app:${actions}`];
  const { token, refresh_token = '' } = await askToken(server, {
    as: user.as,
    scope,
    more: { offline_token: 'true' },
  });
  assert.deepEqual(accessOf(token), { 'repository:team/app': actions });
  assert.equal((await send(server, 'GET', path, bearer(token))).status, 200);
  return { user, membership, token, refresh: refresh_token };
}

async function robot() {
  const permissions = [
    { scope: { kind: 'project', project: 'team' }, access: ['repository:pull', 'repository:push'] },
  ] as const;
  const account = await people.robot(`team+ci${++made}`, 'S3cretOfIt', permissions, { project });
  const { token, refresh_token = '' } = await askToken(server, {
    as: account.as,
    scope: ['repository:team/app:pull,push'],
    more: { offline_token: 'true' },
  });
  assert.deepEqual(accessOf(token), { 'repository:team/app': 'pull,push' });
  assert.equal((await send(server, 'GET', path, bearer(token))).status, 200);
  return { ...account, token, refresh: refresh_token };
}

/** The first answer to the token that is no 200 any more. */
async function refusalOfToken(token: string, method = 'GET', at = path): Promise<Answer> {
  let answer: Answer | undefined;
  await until('the token is refused', async () => {
    answer = await send(server, method, at, bearer(token));
    return answer.status >= 400;
  });
  return answer as Answer;
}

const isVoid = (answer: Answer) => {
  assert.deepEqual(refusalOf(answer), [401, 'UNAUTHORIZED']);
  assert.equal(challengeOf(answer).error, 'invalid_token');
};

const refreshes = (token: string) =>
  postForm(server, { grant_type: 'refresh_token', refresh_token: token, scope: 'repository:team/app:pull' });

test('a member who was removed may nothing with the token that he still has', async () => {
  const { membership, token, refresh } = await member('developer');
  await removeMember({ record })(membership, metadata);
  assert.deepEqual(refusalOf(await refusalOfToken(token)), [403, 'DENIED']);
  const answer = await refreshes(refresh);
  assert.equal(answer.status, 200);
  assert.deepEqual(accessOf(JSON.parse(answer.body.toString()).token), {});
});

test('a member who was made a guest pushes no more with the token that he still has', async () => {
  const { membership, token } = await member('developer');
  await changeMember({ record })({ ...membership, role: 'guest' }, metadata);
  const refused = await refusalOfToken(token, 'POST', '/v2/team/app/blobs/uploads/');
  assert.deepEqual(refusalOf(refused), [403, 'DENIED']);
  assert.equal((await send(server, 'GET', path, bearer(token))).status, 200);
});

test('a guest who asked for a push is denied it, and once he is a developer is sent for another token', async () => {
  const { user, membership } = await member('guest');
  const token = await tokenFor(server, 'team/app', 'pull,push', user.as);
  assert.deepEqual(accessOf(token), { 'repository:team/app': 'pull' });
  const push = () => send(server, 'POST', '/v2/team/app/blobs/uploads/', bearer(token));
  assert.deepEqual(refusalOf(await push()), [403, 'DENIED']);
  await changeMember({ record })({ ...membership, role: 'developer' }, metadata);
  await until('another token would help', async () => (await push()).status === 401);
  assert.equal(challengeOf(await push()).error, 'insufficient_scope');
});

test('who asked for a pull alone is sent for another token before he is denied a push', async () => {
  const { user } = await member('guest');
  const token = await tokenFor(server, 'team/app', 'pull', user.as);
  const answer = await send(server, 'POST', '/v2/team/app/blobs/uploads/', bearer(token));
  assert.equal(answer.status, 401);
  const { error, scope } = challengeOf(answer);
  assert.deepEqual([error, scope], ['insufficient_scope', 'repository:team/app:pull,push']);
});

test('a user with a password who lacks a right is denied it, without a challenge', async () => {
  const { user } = await member('guest');
  const answer = await send(server, 'POST', '/v2/team/app/blobs/uploads/', { as: user.as });
  assert.deepEqual(refusalOf(answer), [403, 'DENIED']);
  assert.equal(answer.headers['www-authenticate'], undefined);
});

test('with the password change every token and every refresh token is void', async () => {
  const { user, token, refresh } = await member('developer');
  assert.equal((await refreshes(refresh)).status, 200);
  await changePassword({ record, hashPassword })({ ...user, password: 'An0therOne' }, metadata);
  isVoid(await refusalOfToken(token));
  assert.equal((await refreshes(refresh)).status, 400);
  assert.equal((await send(server, 'GET', '/v2/', { as: user.as })).status, 401);
  const fresh = await tokenFor(server, 'team/app', 'pull', `${user.username}:An0therOne`);
  assert.equal((await send(server, 'GET', path, bearer(fresh))).status, 200);
});

test('the tokens of a user who was deleted are void, also for another one of that name', async () => {
  const { user, token, refresh } = await member('developer');
  const remove = { do: 'delete', userId: user.userId } as const;
  await record(metadata, decision(userStream(user.username), userDecider, remove));
  // A request that had found the user just before finds no roles of his any more: 403, for once.
  await until(
    'the token is void',
    async () => (await send(server, 'GET', path, bearer(token))).status === 401,
  );
  await people.user(user.username, 'Passw0rd');
  isVoid(await send(server, 'GET', path, bearer(token)));
  assert.equal((await refreshes(refresh)).status, 400);
});

test('a robot that was disabled is refused with its token, its refresh token and its secret', async () => {
  const { name, robotId, settings, as, token, refresh } = await robot();
  await changeRobot({ record })({ name, robotId, ...settings, disabled: true }, metadata);
  isVoid(await refusalOfToken(token));
  assert.equal((await refreshes(refresh)).status, 400);
  assert.equal((await send(server, 'GET', '/v2/', { as })).status, 401);
});

test('a robot that was given less may less with the token that it still has', async () => {
  const { name, robotId, settings, token } = await robot();
  const permissions = [{ scope: { kind: 'project', project: 'team' }, access: ['repository:pull'] }] as const;
  await changeRobot({ record })({ name, robotId, ...settings, permissions }, metadata);
  const refused = await refusalOfToken(token, 'POST', '/v2/team/app/blobs/uploads/');
  assert.deepEqual(refusalOf(refused), [403, 'DENIED']);
  assert.equal((await send(server, 'GET', path, bearer(token))).status, 200);
});

test('with a new secret, and when it is deleted, the tokens of a robot are void', async () => {
  const one = await robot();
  await changeRobotSecret({ record, hashPassword })(
    { ...one, secret: 'An0therOne', overlapSeconds: 0 },
    metadata,
  );
  isVoid(await refusalOfToken(one.token));
  const other = await robot();
  await deleteRobot({ record })(other, metadata);
  isVoid(await refusalOfToken(other.token));
});

test('a robot whose days are over is refused with its token, its refresh token and its secret', async () => {
  const longAgo = new Date(Date.now() - 2 * 24 * 60 * 60_000);
  const settings = { description: '', disabled: false, permissions: [] };
  const robotId = await people.allocateId('robot', metadata);
  const create = {
    do: 'create',
    name: 'aged',
    robotId,
    project: null,
    ...settings,
    durationDays: forEver,
    secretHash: await hashPassword('S3cretOfIt'),
    now: longAgo,
    creatorType: 'local',
    creatorRef: 1,
  } as const;
  await record(metadata, decision(robotStream('aged'), robotDecider, create));
  const as = 'robot$aged:S3cretOfIt';
  await until('it is known', async () => (await send(server, 'GET', '/v2/', { as })).status === 200);
  const { token, refresh_token = '' } = await askToken(server, { as, more: { offline_token: 'true' } });
  assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);

  await changeRobot({ record })({ name: 'aged', robotId, ...settings, durationDays: 1 }, metadata);
  isVoid(await refusalOfToken(token, 'GET', '/v2/'));
  assert.equal((await refreshes(refresh_token)).status, 400);
  assert.equal((await send(server, 'GET', '/v2/', { as })).status, 401);
});

test('a token says who pushed, as a password does', async () => {
  const { user, token } = await member('developer');
  const digest = digestOf(user.username);
  const upload = `/v2/team/app/blobs/uploads/?digest=${digest}`;
  const answer = await send(server, 'POST', upload, { ...bearer(token), body: user.username });
  assert.equal(answer.status, 201);
  const { events } = await people.log.readStream(`blob/${digest}`);
  assert.ok(events.every((event) => event.metadata.actor === `user:${user.username}`));
});
