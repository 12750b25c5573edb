import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import pg from 'pg';
import { runningPostgres } from '../../infra/database/embedded-postgres.ts';
import { schemaOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { postgresForwardingState } from '../../infra/forwarding-state/postgres.ts';
import { audit } from '../../projections/audit/projection.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { startReceiver } from '../webhook-receiver.ts';
import { rowsWith } from './all-texts.ts';
import {
  addMember,
  api,
  ask,
  createdId,
  createProject,
  createUser,
  faultOf,
  json,
  password,
  personOf,
} from './api-client.ts';
import { loggedIn, openBrowser } from './browser.ts';
import { digestOf, header, imageOf, mediaTypes, send } from './client.ts';
import { followEvents } from './event-client.ts';
import { openLogOf } from './server-log.ts';
import { askToken } from './token-client.ts';

const receiver = await startReceiver({ after });
receiver.reply(({ body }) => ({ status: 200, body: `thanks for ${body}` }));
const server = await startServer(
  { after },
  { environment: { SHIPLOG_WEBHOOKS_ALLOWED_ADDRESSES: '127.0.0.1' } },
);
const log = await openLogOf({ after }, server);
await createProject(server, 'team');
createdId(
  await ask(server, 'POST', '/projects/team/webhook/policies', {
    body: {
      ...{ name: 'ci', enabled: true, event_types: ['PUSH_ARTIFACT'] },
      targets: [{ type: 'http', address: receiver.url }],
    },
  }),
);

const erasureOf = async (userId: number) => json(await ask(server, 'GET', `/users/${userId}/erasure`));
const isErased = (userId: number) =>
  until('the user is erased', async () => (await erasureOf(userId)).status === 'Success', 60_000);
const erase = (userId: number, as?: string) =>
  ask(server, 'POST', `/users/${userId}/erasure`, { ...(as !== undefined && { as }) });

let pushes = 0;
async function push(name: string): Promise<void> {
  const as = `${name}:${password}`;
  const blob = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf('{}'), size: 2 };
  const to = `/v2/team/app/blobs/uploads/?digest=${blob.digest}`;
  assert.equal((await send(server, 'POST', to, { as, body: '{}' })).status, 201);
  const headers = { 'content-type': mediaTypes.image };
  const body = imageOf(blob, [blob], { annotations: { push: String(++pushes) } });
  assert.equal((await send(server, 'PUT', '/v2/team/app/manifests/v1', { as, headers, body })).status, 201);
  assert.equal((await send(server, 'GET', '/v2/team/app/manifests/v1', { as })).status, 200);
}

/** Does all that leaves a name somewhere. */
async function live(name: string): Promise<number> {
  const as = name;
  const failing = () => send(server, 'GET', '/v2/', { as: `${name}:wrong` });
  // Before there is anybody of the name, too.
  await failing();
  const userId = await createUser(server, name);
  await failing();
  await addMember(server, 'team', name, 'projectAdmin');
  await push(name);
  const browser = await loggedIn(server, name, password);
  assert.equal((await browser.ask('GET', '/users/current')).status, 200);
  await openBrowser(server).logIn(name, 'wrong');
  const own = { project_name: `own-${userId}`, metadata: { public: 'false' } };
  createdId(await ask(server, 'POST', '/projects', { as, body: own }));
  const robot = { name: 'builder', duration: -1, level: 'project', permissions: [] };
  const permissions = [
    { kind: 'project', namespace: 'team', access: [{ resource: 'repository', action: 'pull' }] },
  ];
  assert.equal(
    (await ask(server, 'POST', '/robots', { as, body: { ...robot, name: `b${userId}`, permissions } }))
      .status,
    201,
  );
  const token = { name: 'laptop', duration: 30 };
  assert.equal((await ask(server, 'POST', '/users/current/tokens', { as, body: token })).status, 201);
  const label = { name: `label-${userId}`, color: '#FF0000', scope: 'p', project_id: 2 };
  assert.equal((await ask(server, 'POST', '/labels', { as, body: label })).status, 201);
  const targets = [{ type: 'http', address: 'https://hooks.example.com/x', skip_cert_verify: true }];
  const policy = { name: `hook-${userId}`, enabled: false, targets, event_types: ['PUSH_ARTIFACT'] };
  assert.equal(
    (await ask(server, 'POST', '/projects/team/webhook/policies', { as, body: policy })).status,
    201,
  );
  await askToken(server, { as: `${name}:${password}`, more: { offline_token: 'true' } });
  // Refused changes: of a user and of a member of this name.
  assert.equal((await ask(server, 'POST', '/users', { body: personOf(name) })).status, 409);
  const again = { role_id: 2, member_user: { username: name } };
  assert.equal((await ask(server, 'POST', '/projects/team/members', { body: again })).status, 409);
  assert.equal(
    (await ask(server, 'PUT', `/users/${userId}/sysadmin`, { as, body: { sysadmin_flag: true } })).status,
    403,
  );
  return userId;
}

/**
 * A copy of a verification that was killed, the view of the version before an upgrade, and a record that a target of the audit log
 * has refused in its own words.
 */
async function leaveOver(name: string): Promise<void> {
  const connection = await runningPostgres(join(server.dataDirectory, 'postgres'));
  const views = new pg.Pool(connection('shiplog_views'));
  const copy = `${schemaOf(audit)}_verify`;
  await views.query(`
    CREATE SCHEMA ${copy};
    CREATE TABLE ${copy}.entries AS SELECT username FROM ${schemaOf(audit)}.entries;
    CREATE SCHEMA audit_v0;
    CREATE TABLE audit_v0.entries AS TABLE ${copy}.entries;
    INSERT INTO views.checkpoints (schema, projection, version)
      VALUES ('${copy}', 'audit', ${audit.version}), ('audit_v0', 'audit', 0)`);
  const refused = { id: newEventId(), position: 1n, reason: `cannot parse ${name}` };
  await postgresForwardingState({ pool: views }).putAside('siem', refused);
  await views.end();
}

const auditLog = async () =>
  json(await ask(server, 'GET', '/auditlog-exts?page_size=100')) as {
    username: string;
    operation: string;
    resource: string;
    operation_description: string;
  }[];

test('the name of an erased user is nowhere: not in the log, the views, the statistics or an answer', async () => {
  const name = 'ada-of-lovelace';
  const userId = await live(name);
  await until('logins are recorded', async () =>
    (await auditLog()).some(({ username, operation }) => username === name && operation === 'login'),
  );
  // The log has no name of anybody, erased or not.
  assert.deepEqual(
    (await rowsWith(server, name)).filter((row) => row.startsWith('event_log.')),
    [],
  );

  // What was made of the events and is in no view.
  await until('the attempt to tell of the push is kept', async () =>
    (await rowsWith(server, name)).some((row) => row.startsWith('webhook_attempts.')),
  );
  const { id } = json(await ask(server, 'POST', '/audit/exports', { body: { format: 'csv', actor: name } }));
  await until('the export is done', async () => {
    const { status, entries } = json(await ask(server, 'GET', `/audit/exports/${id}`));
    return status === 'done' && entries > 0;
  });
  await leaveOver(name);

  const answer = await erase(userId);
  assert.equal(answer.status, 202);
  assert.equal(header(answer, 'location'), `${api}/users/${userId}/erasure`);
  const pseudonym = `erased-${userId}`;
  assert.equal(json(answer).pseudonym, pseudonym);
  await isErased(userId);

  assert.deepEqual(await rowsWith(server, name), []);
  assert.equal((await ask(server, 'GET', `/audit/exports/${id}`)).status, 404);
  const deliveries = json(await ask(server, 'GET', '/webhook/deliveries'));
  assert.ok(!JSON.stringify(deliveries).includes(name) && deliveries.length > 0);
  const told = await auditLog();
  assert.ok(!JSON.stringify(told).includes(name));
  assert.ok(told.some(({ username, operation }) => username === pseudonym && operation === 'create'));
  assert.ok(
    told.some(({ operation_description: words }) => words === `delete user with name: ${pseudonym}, erased`),
  );
  for (const path of [
    '/users',
    '/projects',
    '/projects/team/members',
    '/quotas',
    `/projects/own-${userId}`,
    `/users/search?username=ada`,
    '/projects/team/webhook/policies',
  ])
    assert.ok(!(await ask(server, 'GET', path)).body.includes(name), path);
  assert.equal((await ask(server, 'GET', '/users/current', { as: name })).status, 401);

  // Who says the name afterwards leaves it nowhere, either.
  await send(server, 'GET', '/v2/', { as: `${name}:${password}` });
  await until('the login is recorded', async () =>
    (await auditLog()).some(({ username, operation }) => username === pseudonym && operation === 'login'),
  );
  assert.deepEqual(await rowsWith(server, name), []);
  for await (const events of log.readAll(0n))
    assert.ok(
      !JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? String(value) : value)).includes(
        name,
      ),
    );
  const verified = await server.run('verify');
  assert.equal(verified.code, 0, verified.output);
});

test('a stream of events that goes back to before somebody was erased does not tell the name', async (t) => {
  const name = 'emmy-of-noether';
  const before = await followEvents(t, server, '?type=user.*');
  const userId = await createUser(server, name);
  await before.has(1);
  const from = String(BigInt(before.events[0]?.id ?? 0) - 1n);
  await erase(userId);
  await isErased(userId);
  await before.has(3);
  const stream = await followEvents(t, server, '?type=user.*', { lastEventId: from });
  await stream.has(3);
  assert.ok(!JSON.stringify(stream.events).includes(name));
  assert.equal(stream.events[0]?.data.subject, `erased-${userId}`);
});

test('who takes the name of an erased user is somebody else, and keeps it', async () => {
  const name = 'grace-of-hopper';
  const first = await createUser(server, name);
  await addMember(server, 'team', name, 'projectAdmin');
  await push(name);
  await erase(first);
  await isErased(first);
  const second = await createUser(server, name);
  await addMember(server, 'team', name, 'projectAdmin');
  await push(name);
  const told = await auditLog();
  const pushed = told.filter(({ operation }) => operation === 'create');
  assert.ok(pushed.some(({ username }) => username === name));
  assert.ok(pushed.some(({ username }) => username === `erased-${first}`));
  assert.equal(json(await ask(server, 'GET', `/users/${second}`)).username, name);

  await ask(server, 'DELETE', `/users/${second}`);
  await erase(second);
  await isErased(second);
  assert.deepEqual(await rowsWith(server, name), []);
});

test('a user who was deleted long ago is erased by the number, and a second time nothing happens', async () => {
  const name = 'alan-of-turing';
  const userId = await createUser(server, name);
  assert.equal((await ask(server, 'DELETE', `/users/${userId}`)).status, 200);
  assert.ok(JSON.stringify(await auditLog()).includes(name));
  assert.equal((await erase(userId)).status, 202);
  await isErased(userId);
  const head = await log.head();
  assert.equal((await erase(userId)).status, 202);
  assert.equal(await log.head(), head);
  assert.deepEqual(await rowsWith(server, name), []);
});

test('nobody is erased by whoever may not, nor the first administrator, nor who asks, nor somebody unknown', async () => {
  const userId = await createUser(server, 'plain');
  for (const id of [userId, 1]) assert.equal((await erase(id, 'plain')).status, 403);
  assert.equal((await erase(userId, '')).status, 401);
  assert.equal((await ask(server, 'GET', `/users/${userId}/erasure`, { as: 'plain' })).status, 403);
  assert.equal((await erase(1)).status, 403);
  assert.equal((await erase(999_999)).status, 404);
  for (const id of [0, -1, 1.5, 2 ** 31, 2 ** 53, 'x', '%00']) {
    const path = `/users/${id}/erasure`;
    for (const method of ['GET', 'POST'])
      assert.match(String((await ask(server, method, path)).status), /^(404|422|400)$/, `${method} ${path}`);
  }
  assert.equal((await ask(server, 'GET', `/users/${userId}/erasure`)).status, 404);
});

test('nobody can be called as if he had been erased', async () => {
  for (const username of ['erased-3', 'Erased-12', ' erased-3', 'erased-３']) {
    const answer = await ask(server, 'POST', '/users', { body: { ...personOf('x'), username } });
    assert.equal(answer.status, 400, username);
    assert.equal(faultOf(answer).message, 'username stands for users who were erased');
  }
});
