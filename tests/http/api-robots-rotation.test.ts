import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { credentialUsesStream } from '../../domain/credential-use/events.ts';
import { robotStream } from '../../domain/robot/events.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { send } from './client.ts';
import { eventsOf, openLogOf } from './server-log.ts';
import { askToken, bearer, postForm } from './token-client.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
await createProject(server, 'team');
await createUser(server, 'guest');
await addMember(server, 'team', 'guest', 'guest');

let made = 0;
async function robot() {
  const access = [{ resource: 'repository', action: 'pull' }];
  const permissions = [{ kind: 'project', namespace: 'team', access }];
  const body = { name: `ci${++made}`, level: 'project', duration: -1, permissions };
  const answer = await ask(server, 'POST', '/robots', { body });
  assert.equal(answer.status, 201, answer.body.toString());
  const { id, name, secret } = json(answer) as { id: number; name: string; secret: string };
  const by = (secret: string) => ({ as: `${name}:${secret}` });
  const rotate = async (more: object) => {
    const answer = await ask(server, 'PATCH', `/robots/${id}`, { body: { secret: '', ...more } });
    assert.equal(answer.status, 200, answer.body.toString());
    return json(answer).secret as string;
  };
  const read = async () => json(await ask(server, 'GET', `/robots/${id}`));
  return { id, name, secret, by, rotate, read };
}
const path = '/v2/team/app/tags/list';
/** 404 for who may see that the repository is not there. */
const may = async (sent: Parameters<typeof send>[3]) => {
  const { status } = await send(server, 'GET', path, sent);
  assert.ok(status === 404 || status === 401, String(status));
  return status === 404;
};
const tokensBy = ({ as }: { as: string }) =>
  askToken(server, { as, scope: ['repository:team/app:pull'], more: { offline_token: 'true' } });
const refreshes = async (token = '') =>
  (await postForm(server, { grant_type: 'refresh_token', refresh_token: token, scope: '' })).status === 200;

test('two secrets are good for as long as that was asked for, each with what was got by it', async () => {
  const { secret, by, rotate, read } = await robot();
  const before = await tokensBy(by(secret));
  const at = Date.now();
  const newest = await rotate({ overlap_seconds: 3 });
  const after = await tokensBy(by(newest));
  for (const sent of [by(secret), by(newest), bearer(before.token), bearer(after.token)])
    assert.equal(await may(sent), true);
  const during = await tokensBy(by(secret));
  assert.equal(await refreshes(before.refresh_token), true);
  assert.equal(await refreshes(after.refresh_token), true);
  const { previous_secret_expires_at } = await read();
  const end = Date.parse(previous_secret_expires_at);
  assert.ok(end >= at + 3000 && end <= Date.now() + 3000);

  await until('the overlap is over', () => Date.now() > end);
  for (const sent of [by(secret), bearer(before.token), bearer(during.token)])
    assert.equal(await may(sent), false);
  for (const sent of [by(newest), bearer(after.token)]) assert.equal(await may(sent), true);
  assert.equal(await refreshes(before.refresh_token), false);
  assert.equal(await refreshes(after.refresh_token), true);
  assert.equal((await read()).previous_secret_expires_at, undefined);
});

test('without an overlap the secret from before ends at once, also one that an earlier rotation had left', async () => {
  const { secret, by, rotate } = await robot();
  const second = await rotate({ overlap_seconds: 600 });
  assert.deepEqual([await may(by(secret)), await may(by(second))], [true, true]);
  const third = await rotate({});
  assert.deepEqual([await may(by(second)), await may(by(third))], [false, true]);
  assert.equal(await may(by(secret)), false);
});

test('of several rotations with an overlap the two newest secrets are good', async () => {
  const { secret, by, rotate } = await robot();
  const second = await rotate({ overlap_seconds: 600 });
  const third = await rotate({ overlap_seconds: 600 });
  assert.equal(await may(by(secret)), false);
  assert.deepEqual([await may(by(second)), await may(by(third))], [true, true]);
});

test('the secret from before is ended early, with what was got by it', async () => {
  const { id, secret, by, rotate, read } = await robot();
  const { token } = await tokensBy(by(secret));
  const newest = await rotate({ overlap_seconds: 600 });
  const end = (as?: string) =>
    ask(server, 'DELETE', `/robots/${id}/previous_secret`, as === undefined ? {} : { as });
  assert.deepEqual([(await end('guest')).status, (await end('')).status], [403, 401]);
  assert.equal(await may(by(secret)), true);
  for (let times = 0; times < 2; times += 1) assert.equal((await end()).status, 200);
  assert.deepEqual([await may(by(secret)), await may(bearer(token))], [false, false]);
  assert.equal(await may(by(newest)), true);
  assert.equal((await read()).previous_secret_expires_at, undefined);
  assert.equal((await ask(server, 'DELETE', '/robots/99999/previous_secret')).status, 404);
});

test('a disabled robot has no good secret, whatever overlap it was left', async () => {
  const { id, name, secret, by, rotate, read } = await robot();
  const newest = await rotate({ overlap_seconds: 600 });
  const body = { ...(await read()), name, disable: true };
  assert.equal((await ask(server, 'PUT', `/robots/${id}`, { body })).status, 200);
  assert.deepEqual([await may(by(secret)), await may(by(newest))], [false, false]);
});

test('a secret is chosen with an overlap as well; an overlap that is none is refused', async () => {
  const { id, secret, by } = await robot();
  const chosen = { secret: 'Chosen-by-the-client-1', overlap_seconds: 60 };
  const answer = await ask(server, 'PATCH', `/robots/${id}`, { body: chosen });
  assert.deepEqual(json(answer), {});
  assert.deepEqual([await may(by(secret)), await may(by(chosen.secret))], [true, true]);
  for (const overlap_seconds of [-1, 0.5, 1e300, 2_592_001, '60']) {
    const body = { secret: '', overlap_seconds };
    assert.equal((await ask(server, 'PATCH', `/robots/${id}`, { body })).status, 422, `${overlap_seconds}`);
  }
  assert.equal(await may(by(secret)), true);
});

test('no secret is in an event, but as a slow hash', async () => {
  const { name, secret, rotate } = await robot();
  const newest = await rotate({ overlap_seconds: 60 });
  const events = JSON.stringify(
    (await eventsOf(log, robotStream(name.slice('robot$'.length)))).map(({ data }) => data),
  );
  assert.match(events, /"previous":\{"secretHash":"\$argon2id\$/);
  assert.ok(!events.includes(secret) && !events.includes(newest));
});

test('a robot shows when and from where it was used last, recorded once in a few minutes', async () => {
  const { id, secret, by, read } = await robot();
  const before = Date.now();
  assert.deepEqual(
    Object.keys(await read()).filter((key) => key.startsWith('last_used')),
    [],
  );
  const { token } = await tokensBy(by(secret));
  for (let times = 0; times < 5; times += 1) {
    assert.equal(await may(by(secret)), true);
    assert.equal(await may(bearer(token)), true);
  }
  await until('the use is shown', async () => (await read()).last_used_at !== undefined);
  const { last_used_at, last_used_from } = await read();
  assert.ok(Date.parse(last_used_at) >= before - 1000 && Date.parse(last_used_at) <= Date.now() + 1000);
  assert.equal(last_used_from, '127.0.0.1');
  const [listed] = json(await ask(server, 'GET', '/robots?q=Level=project,ProjectID=2&sort=-id&page_size=1'));
  assert.deepEqual([listed.id, listed.last_used_at], [id, last_used_at]);
  const uses = (await eventsOf(log, credentialUsesStream(new Date()))).filter(
    ({ data }) => data.kind === 'robot' && data.id === id,
  );
  assert.equal(uses.length, 1);
  assert.equal(uses[0]?.metadata.actor, `robot:${by(secret).as.slice('robot$'.length).split(':')[0]}`);
});

test('an access token shows by what it was used last, and a refused one does not count', async () => {
  const body = { name: 'used', duration: 1 };
  const { id, token } = json(await ask(server, 'POST', '/users/current/tokens', { as: 'guest', body }));
  const read = async () =>
    json(await ask(server, 'GET', `/users/current/tokens/${id}`, { as: 'guest' })).last_used;
  await send(server, 'GET', '/v2/', { as: `admin:${token}` });
  assert.equal(await read(), null);
  const headers = { 'user-agent': 'a-builder/1.0' };
  await send(server, 'GET', '/v2/', { as: `guest:${token}`, headers });
  await until('the use is shown', async () => (await read()) !== null);
  const { from, user_agent } = await read();
  assert.deepEqual([from, user_agent], ['127.0.0.1', 'a-builder/1.0']);
});

test('what is read of rotations, uses and tokens is the same after a replay', async () => {
  const rotated = await robot();
  const newest = await rotated.rotate({ overlap_seconds: 600 });
  assert.equal(await may(rotated.by(rotated.secret)), true);
  await until('the use is shown', async () => (await rotated.read()).last_used_at !== undefined);
  const list = '/robots?q=Level=project,ProjectID=2&page_size=0';
  const tokens = '/users/current/tokens';
  const shown = async () => [
    json(await ask(server, 'GET', list)),
    json(await ask(server, 'GET', tokens, { as: 'guest' })),
  ];
  const before = await shown();
  const { code, output } = await server.run('replay');
  assert.equal(code, 0, output);
  assert.deepEqual(await shown(), before);
  assert.deepEqual([await may(rotated.by(rotated.secret)), await may(rotated.by(newest))], [true, true]);
});
