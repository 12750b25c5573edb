import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decision } from '../../commands/record.ts';
import { accessTokensDecider } from '../../domain/access-token/decider.ts';
import { accessTokensStream } from '../../domain/access-token/events.ts';
import { writeAccessToken } from '../../domain/access-token/secret.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import {
  addMember,
  ask,
  createdId,
  createProject,
  createUser,
  faultOf,
  json,
  password,
} from './api-client.ts';
import { digestOf, pushImage, refusalOf, send } from './client.ts';
import { peopleOf } from './people.ts';
import { accessOf, askToken, bearer, postForm } from './token-client.ts';

const secretKey = 'the secret key of this test';
const server = await startServer({ after }, { environment: { SHIPLOG_SECRET_KEY: secretKey } });
const people = await peopleOf({ after }, server);
const teamId = await createProject(server, 'team');
await createProject(server, 'hidden');
await createProject(server, 'open', true);
const secondId = await createProject(server, 'second');
await pushImage(server, 'team/app', '1.0');
await pushImage(server, 'second/app', '1.0');
await pushImage(server, 'open/app', '1.0');
const dev = await createUser(server, 'dev');
await addMember(server, 'team', 'dev', 'developer');
await addMember(server, 'second', 'dev', 'projectAdmin');
const rootId = await createUser(server, 'root');
await ask(server, 'PUT', `/users/${rootId}/sysadmin`, { body: { sysadmin_flag: true } });

const grant = (namespace: string, ...permissions: string[]) => ({
  kind: namespace === '/' ? 'system' : 'project',
  namespace,
  access: permissions.map((permission) => {
    const [resource = '', action = ''] = permission.split(':');
    return { resource, action };
  }),
});

let made = 0;
/** A token of `who`, limited to `permissions` if there are some; `as` is what `send` logs in with. */
async function tokenOf(who: string, ...permissions: ReturnType<typeof grant>[]) {
  const body = { name: `t${++made}`, duration: 1, ...(permissions.length > 0 && { permissions }) };
  const answer = await ask(server, 'POST', '/users/current/tokens', { as: who, body });
  const id = createdId(answer);
  const { token } = json(answer) as { token: string };
  return { id, token, as: `${who}:${token}` };
}

const manifest = '/v2/team/app/manifests/1.0';
const statusOf = async (path: string, sent: Parameters<typeof send>[3], method = 'GET') =>
  (await send(server, method, path, sent)).status;
const upload = (as: string, repository = 'team/app') =>
  statusOf(`/v2/${repository}/blobs/uploads/`, { as }, 'POST');
const revoke = (id: number, as = 'dev') => ask(server, 'DELETE', `/users/current/tokens/${id}`, { as });

test('a token is shown in place of the password, with the name or the address, and alone to the API', async () => {
  const { token, as } = await tokenOf('dev');
  for (const who of [as, `dev@example.com:${token}`]) {
    assert.equal(await statusOf('/v2/', { as: who }), 200);
    assert.equal(await statusOf(manifest, { as: who }), 200);
    assert.equal(json(await ask(server, 'GET', '/users/current', { as: who })).username, 'dev');
  }
  for (const path of ['/api/v2.0/users/current', manifest])
    assert.equal(await statusOf(path, bearer(token)), 200);
  const form = await postForm(server, { grant_type: 'password', username: 'dev', password: token });
  assert.equal(form.status, 200);
  // The password goes on to be one, and so does the token when that changes.
  assert.equal(await statusOf('/v2/', { as: `dev:${password}` }), 200);
});

test('a token is of no use to another, and a changed one to nobody', async () => {
  const { id, token } = await tokenOf('dev');
  const forged = writeAccessToken(id, new Uint8Array(32).fill(7));
  const unknown = writeAccessToken(2 ** 30, new Uint8Array(32).fill(7));
  const shown = [
    ...['root', 'nobody', '', 'robot$dev'].map((name) => `${name}:${token}`),
    ...[forged, unknown, token.slice(0, -1)].map((wrong) => `dev:${wrong}`),
  ].map((as) => ({ as }));
  // At once, since each answer to a wrong one is slow.
  const statuses = await Promise.all(
    [...shown, bearer(forged), bearer(unknown)].flatMap((sent) =>
      ['/v2/', '/api/v2.0/users/current', '/service/token?service=harbor-registry'].map((path) =>
        statusOf(path, sent),
      ),
    ),
  );
  assert.deepEqual(new Set(statuses), new Set([401]));
});

test('a revoked token opens nothing any more, nor does what was got by it', async () => {
  const { id, token, as } = await tokenOf('dev');
  const scope = ['repository:team/app:pull,push'];
  const issued = await askToken(server, { as, scope, more: { offline_token: 'true' } });
  assert.deepEqual(accessOf(issued.token), { 'repository:team/app': 'pull,push' });
  assert.equal(issued.refresh_token, undefined, 'the token itself is what a refresh token would be');
  assert.equal(await statusOf(manifest, bearer(issued.token)), 200);

  assert.equal((await revoke(id)).status, 200);
  for (const sent of [{ as }, bearer(token), bearer(issued.token)]) {
    assert.equal(await statusOf(manifest, sent), 401);
    assert.equal(await statusOf('/v2/', sent), 401);
  }
  for (const sent of [{ as }, bearer(token)])
    assert.equal(await statusOf('/api/v2.0/users/current', sent), 401);
  assert.equal(await statusOf(`/service/token?service=harbor-registry&scope=${scope[0]}`, { as }), 401);
  const form = await postForm(server, { grant_type: 'password', username: 'dev', password: token });
  assert.equal(form.status, 401);
});

test('a token that has expired opens nothing, nor does what was got by it', async () => {
  const { as: fresh } = await tokenOf('dev');
  assert.equal(await statusOf('/v2/', { as: fresh }), 200);
  const { log, record, metadata, allocateId } = people;
  const tokenId = await allocateId('access-token', metadata);
  const token = writeAccessToken(tokenId, new Uint8Array(32).fill(9));
  const hash = secretBox(secretKey).fingerprint(token, 'access-token');
  // A day and a moment ago for a day: it ends two seconds from now.
  const now = new Date(Date.now() - 24 * 60 * 60_000 + 2000);
  const create = {
    do: 'create',
    tokenId,
    userId: dev,
    username: 'dev',
    name: 'short',
    description: '',
  } as const;
  await record(
    metadata,
    decision(accessTokensStream(dev), accessTokensDecider, {
      ...create,
      permissions: null,
      secretHash: hash,
      now,
      durationDays: 1,
    }),
  );
  assert.ok((await log.readStream(accessTokensStream(dev))).events.length > 0);
  const as = `dev:${token}`;
  await until('it is known', async () => (await statusOf('/v2/', { as })) === 200);
  const issued = await askToken(server, { as, scope: ['repository:team/app:pull'] });
  assert.equal(await statusOf(manifest, bearer(issued.token)), 200);
  await until('it has expired', async () => (await statusOf('/v2/', { as })) === 401);
  for (const sent of [{ as }, bearer(token), bearer(issued.token)])
    assert.equal(await statusOf(manifest, sent), 401);
  assert.equal((await ask(server, 'GET', '/users/current', { as })).status, 401);
  assert.equal(await statusOf('/service/token?service=harbor-registry', { as }), 401);
  const { expires_at } = json(await ask(server, 'GET', `/users/current/tokens/${tokenId}`, { as: 'dev' }));
  assert.equal(expires_at, Math.floor((now.getTime() + 24 * 60 * 60_000) / 1000));
});

test('a limited token pulls and pushes where it was made for that, in person and by a token of the registry', async () => {
  const { as } = await tokenOf('dev', grant('team', 'repository:pull'), grant('second', 'repository:push'));
  assert.equal(await statusOf(manifest, { as }), 200);
  assert.equal(await upload(as), 403);
  assert.equal(await upload(as, 'second/app'), 202);
  assert.equal(await statusOf('/v2/second/app/manifests/1.0', { as }), 403);
  assert.equal(await statusOf('/v2/hidden/app/tags/list', { as }), 403);
  assert.equal(await statusOf('/v2/open/app/manifests/1.0', { as }), 200, 'what everybody may');
  const { token } = await askToken(server, {
    as,
    scope: ['repository:team/app:pull,push,delete', 'repository:second/app:*', 'registry:catalog:*'],
  });
  assert.deepEqual(accessOf(token), { 'repository:team/app': 'pull', 'repository:second/app': 'push' });
  assert.equal(await statusOf(manifest, bearer(token)), 200);
  const refused = await send(server, 'POST', '/v2/team/app/blobs/uploads/', bearer(token));
  assert.deepEqual(refusalOf(refused), [403, 'DENIED']);
});

test('a limited token may no more than its user may at the time, whatever it was made for', async () => {
  const all = ['repository:pull', 'repository:push', 'repository:delete'];
  const guest = await createUser(server, 'guest');
  await addMember(server, 'team', 'guest', 'guest');
  const { as, token } = await tokenOf('guest', grant('*', ...all), grant('/', 'user:list', 'catalog:read'));
  assert.equal(await statusOf(manifest, { as }), 200);
  assert.equal(await upload(as), 403);
  assert.equal((await ask(server, 'GET', '/users', { as })).status, 403);
  assert.equal(await statusOf('/v2/_catalog', { as }), 403);
  const scope = ['repository:team/app:pull,push'];
  const issued = await askToken(server, { as, scope });
  assert.deepEqual(accessOf(issued.token), { 'repository:team/app': 'pull' });

  // More is his by a new role at once, and less as well.
  const members = json(await ask(server, 'GET', '/projects/team/members?page_size=100'));
  const { id } = members.find(({ entity_id }: { entity_id: number }) => entity_id === guest);
  await ask(server, 'PUT', `/projects/team/members/${id}`, { body: { role_id: 2 } });
  assert.equal(await upload(as), 202);
  await ask(server, 'DELETE', `/projects/team/members/${id}`);
  for (const sent of [{ as }, bearer(token), bearer(issued.token)])
    assert.equal(await statusOf(manifest, sent), 403);
  await ask(server, 'PUT', `/users/${guest}/sysadmin`, { body: { sysadmin_flag: true } });
  assert.equal((await ask(server, 'GET', '/users', { as })).status, 200);
  assert.equal((await ask(server, 'POST', '/users', { as, body: {} })).status, 403);
  assert.equal((await ask(server, 'GET', '/projects/team', { as })).status, 403);
});

test('no token makes tokens, changes passwords or revokes others, and each can end itself', async () => {
  const { id: other } = await tokenOf('root');
  const whole = await tokenOf('root');
  const limited = await tokenOf('root', grant('/', 'user:update', 'user:read', 'user:list', 'user:create'));
  for (const { id, as, token } of [whole, limited]) {
    const make = { as, body: { name: 'child', duration: 1 } };
    for (const at of ['/users/current/tokens', `/users/${rootId}/tokens`, `/users/${dev}/tokens`]) {
      const answer = await ask(server, 'POST', at, make);
      assert.deepEqual([answer.status, faultOf(answer).code], [403, 'FORBIDDEN']);
    }
    for (const userId of [rootId, dev, 1]) {
      const body = { old_password: password, new_password: 'An0therOne' };
      assert.equal((await ask(server, 'PUT', `/users/${userId}/password`, { as, body })).status, 403);
    }
    assert.equal((await revoke(other, as)).status, 403);
    assert.equal((await ask(server, 'DELETE', `/users/${dev}/tokens/${id}`, { as })).status, 403);
    // In its own name alone, without that of the user.
    assert.equal(await statusOf(`/api/v2.0/users/current/tokens/${id}`, bearer(token), 'DELETE'), 200);
    assert.equal((await ask(server, 'GET', '/users/current', { as })).status, 401);
  }
});

test('a limited token of an administrator does for the system what it was made for, and makes nobody mighty', async () => {
  const { as } = await tokenOf('root', grant('/', 'user:list', 'user:update', 'robot:create'));
  assert.equal((await ask(server, 'GET', '/users', { as })).status, 200);
  assert.equal((await ask(server, 'DELETE', `/users/${dev}`, { as })).status, 403);
  assert.equal((await ask(server, 'GET', '/projects/team', { as })).status, 403);
  assert.equal(await statusOf('/v2/_catalog', { as }), 403);
  const mighty = await ask(server, 'PUT', `/users/${dev}/sysadmin`, { as, body: { sysadmin_flag: true } });
  assert.equal(mighty.status, 403);
  const robot = (...permissions: ReturnType<typeof grant>[]) =>
    ask(server, 'POST', '/robots', {
      as,
      body: { name: `r${++made}`, level: 'system', duration: 1, permissions },
    });
  for (const more of [grant('/', 'user:delete'), grant('*', 'repository:pull'), grant('team', 'tag:list')]) {
    const answer = await robot(more);
    assert.deepEqual([answer.status, faultOf(answer).code], [403, 'DENIED'], JSON.stringify(more));
  }
  assert.equal((await robot(grant('/', 'user:list'))).status, 201);
});

test('a limited token creates projects if it was made for that, and sees those that it was made for', async () => {
  const named = await tokenOf('dev', grant('team', 'repository:pull'));
  const every = await tokenOf('dev', grant('*', 'repository:pull'));
  const ofRoot = await tokenOf('root', grant('*', 'repository:pull'));
  const hiddenToDev = await tokenOf('root', grant('hidden', 'project:read'));
  const names = async (as: string) =>
    json(await ask(server, 'GET', '/projects?page_size=100', { as })).map(
      ({ name }: { name: string }) => name,
    );
  assert.deepEqual(await names(named.as), ['library', 'open', 'team']);
  assert.deepEqual(await names(every.as), ['library', 'open', 'second', 'team']);
  assert.deepEqual(await names(ofRoot.as), ['hidden', 'library', 'open', 'second', 'team']);
  assert.deepEqual(await names(hiddenToDev.as), ['hidden', 'library', 'open']);

  const body = { project_name: 'founded' };
  assert.equal((await ask(server, 'POST', '/projects', { as: every.as, body })).status, 403);
  const founder = await tokenOf('dev', grant('/', 'project:create'));
  assert.equal((await ask(server, 'POST', '/projects', { as: founder.as, body })).status, 201);
  assert.equal(json(await ask(server, 'GET', '/projects/founded')).owner_name, 'dev');
});

test('what the asker may is what the token may, and not its user', async () => {
  const { as } = await tokenOf('dev', grant('team', 'repository:pull', 'repository:push', 'member:create'));
  const permissions = async (who: string, scope: string) =>
    json(await ask(server, 'GET', `/users/current/permissions?relative=true&scope=${scope}`, { as: who }))
      .map(({ resource, action }: { resource: string; action: string }) => `${resource}:${action}`)
      .sort();
  assert.deepEqual(await permissions(as, `/project/${teamId}`), ['repository:pull', 'repository:push']);
  assert.ok((await permissions('dev', `/project/${teamId}`)).length > 30);
  assert.deepEqual(await permissions(as, '/system'), []);
  const { as: asRoot } = await tokenOf('root', grant('/', 'user:list'));
  assert.deepEqual(await permissions(asRoot, '/system'), ['user:list']);
  assert.deepEqual(await permissions(asRoot, `/project/${teamId}`), []);

  const catalogue = json(await ask(server, 'GET', '/permissions', { as: asRoot }));
  assert.deepEqual(catalogue, { system: [{ resource: 'user', action: 'list' }], project: [] });
  const whole = await tokenOf('root');
  assert.deepEqual(
    json(await ask(server, 'GET', '/permissions', { as: whole.as })),
    json(await ask(server, 'GET', '/permissions')),
  );
});

test('a limited token reads who its user is, and changes nothing of him', async () => {
  const { as } = await tokenOf('dev', grant('team', 'repository:pull'));
  assert.equal(json(await ask(server, 'GET', '/users/current', { as })).user_id, dev);
  const body = { email: 'other@example.com', realname: 'Other', comment: '' };
  assert.equal((await ask(server, 'PUT', `/users/${dev}`, { as, body })).status, 403);
  for (const [method, path] of [
    ['GET', '/users/current/tokens'],
    ['GET', `/users/${dev}/tokens`],
    ['GET', '/users/current/preferences'],
  ] as const)
    assert.equal((await ask(server, method, path, { as })).status, 403, path);
});

test('events tell who did it, and by which token', async () => {
  const { id, as } = await tokenOf('dev');
  const digest = digestOf('by a token');
  const answer = await send(server, 'POST', `/v2/team/app/blobs/uploads/?digest=${digest}`, {
    as,
    body: 'by a token',
  });
  assert.equal(answer.status, 201);
  const { events } = await people.log.readStream(`blob/${digest}`);
  assert.ok(events.length > 0);
  for (const { metadata } of events)
    assert.deepEqual([metadata.actor, metadata.accessToken], ['user:dev', id]);
});

test('the password is changed without an end to the tokens', async () => {
  const userId = await createUser(server, 'changer');
  const { as } = await tokenOf('changer');
  const body = { old_password: password, new_password: 'An0therOne' };
  assert.equal((await ask(server, 'PUT', `/users/${userId}/password`, { as: 'changer', body })).status, 200);
  assert.equal(await statusOf('/v2/', { as }), 200);
  assert.equal(await statusOf('/v2/', { as: `changer:${password}` }), 401);
});

test('who tries a void token again and again is slowed down, and logs in with the password meanwhile', async () => {
  const { id, as } = await tokenOf('dev');
  await revoke(id);
  const answers = await Promise.all(Array.from({ length: 40 }, () => statusOf('/v2/', { as })));
  assert.ok(answers.includes(429), `429 among ${answers}`);
  assert.ok(answers.every((status) => status === 401 || status === 429));
  assert.equal(await statusOf('/v2/', { as: `dev:${password}` }), 200);
  const { as: another } = await tokenOf('dev');
  assert.equal(await statusOf('/v2/', { as: another }), 200);
});

test('what is revoked or taken away while a body comes is not done when that is there', async () => {
  const { id, as } = await tokenOf('dev', grant('second', 'robot:create', 'tag:list'));
  const robot = (name: string) =>
    JSON.stringify({ name, level: 'project', duration: 1, permissions: [grant('second', 'tag:list')] });
  /** A request whose body is sent as a whole, but for its end, before `between`. */
  async function meanwhile(
    method: string,
    path: string,
    as: string,
    text: string,
    between: () => Promise<unknown>,
  ) {
    async function* body() {
      yield Buffer.from(text.slice(0, 5));
      await between();
      yield Buffer.from(text.slice(5));
    }
    const headers = { 'content-type': 'application/json' };
    return (await send(server, method, `/api/v2.0${path}`, { as, body: body(), headers })).status;
  }
  assert.equal(await meanwhile('POST', '/robots', as, robot('first'), async () => undefined), 201);
  assert.equal(await meanwhile('POST', '/robots', as, robot('late'), () => revoke(id)), 401);

  const person = `dev:${password}`;
  const [{ id: robotId, ...form }] = json(
    await ask(server, 'GET', `/robots?q=Level=project,ProjectID=${secondId}`),
  );
  const members = json(await ask(server, 'GET', '/projects/second/members'));
  const { id: memberId } = members.find(({ entity_id }: { entity_id: number }) => entity_id === dev);
  const role = (role_id: number) =>
    ask(server, 'PUT', `/projects/second/members/${memberId}`, { body: { role_id } });
  for (const [method, text] of [
    ['PUT', JSON.stringify(form)],
    ['PATCH', JSON.stringify({ secret: '' })],
  ] as const) {
    const path = `/robots/${robotId}`;
    assert.equal(await meanwhile(method, path, person, text, async () => undefined), 200);
    assert.equal(await meanwhile(method, path, person, text, () => role(2)), 403, method);
    await role(1);
  }
});
