import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { header, pushImage, refusalOf, send } from './client.ts';

const server = await startServer({ after });
await createUser(server, 'dev');
await createUser(server, 'guest');
await createProject(server, 'seen');
await createProject(server, 'hidden');
await addMember(server, 'seen', 'dev', 'projectAdmin');
await addMember(server, 'hidden', 'guest', 'guest');
const reason = { 'X-Shiplog-Reason': 'Ticket 4711' };
const found = async (query: string, as?: string) => {
  const answer = await ask(
    server,
    'GET',
    `/audit/entries?limit=100&${query}`,
    as === undefined ? {} : { as },
  );
  assert.equal(answer.status, 200, answer.body.toString());
  return json(answer);
};
const entryOf = async (id: number | string) => json(await ask(server, 'GET', `/audit/entries/${id}`));
await pushImage(server, 'seen/app', 'v1');

test('an entry tells who it was, from where, by what, when, why and with what result', async () => {
  const headers = { ...reason, 'X-Request-Id': 'mine', 'User-Agent': 'a test/1' };
  await ask(server, 'PUT', '/projects/seen', { body: { metadata: { auto_scan: 'true' } }, headers });
  const [entry] = await found('request_id=mine');
  const { id, event_id, time, correlation_id, project_id, ...rest } = entry;
  assert.deepEqual(rest, {
    ...{ operation: 'update_project', resource_type: 'project', resource: 'seen' },
    ...{ description: 'update project: seen', actor_kind: 'user', actor: 'admin', credential: 'password' },
    ...{ access_token: null, address: '127.0.0.1', user_agent: 'a test/1', result: 'success' },
    ...{ reason: 'Ticket 4711', request_id: 'mine' },
  });
  assert.ok(id > 0 && project_id > 0 && !Number.isNaN(Date.parse(time)));
  for (const asked of [id, event_id]) {
    const whole = await entryOf(asked);
    assert.deepEqual([whole.before, whole.after], [{}, { auto_scan: 'true' }]);
  }
  assert.deepEqual((await found(`correlation_id=${correlation_id}`)).length, 1);
});

test('settings of all kinds are told with what was before', async () => {
  const put = async (path: string, body: object) =>
    assert.equal((await ask(server, 'PUT', path, { body })).status, 200, path);
  await put('/configurations', { token_expiration: 20, robot_name_prefix: 'bot$' });
  await put('/configurations', { token_expiration: 25 });
  const [second, first] = await found('operation=update_configuration');
  assert.deepEqual((await entryOf(second.id)).before, { token_expiration: 20 });
  assert.deepEqual((await entryOf(second.id)).after, { token_expiration: 25 });
  assert.deepEqual((await entryOf(first.id)).after, { token_expiration: 20, robot_name_prefix: 'bot$' });
  await put('/configurations', { robot_name_prefix: 'robot$' });

  const [{ member_id: memberId } = { member_id: 0 }] = json(
    await ask(server, 'GET', '/projects/seen/members?entityname=dev'),
  ).map(({ id }: { id: number }) => ({ member_id: id }));
  await put(`/projects/seen/members/${memberId}`, { role_id: 2 });
  await put(`/projects/seen/members/${memberId}`, { role_id: 1 });
  const [again] = await found('operation=update_member');
  const whole = await entryOf(again.id);
  assert.deepEqual([whole.before, whole.after], [{ role: 'developer' }, { role: 'projectAdmin' }]);

  const label = await ask(server, 'POST', '/labels', { body: { name: 'one', scope: 'g' }, headers: reason });
  const labelId = header(label, 'location').split('/').at(-1);
  await put(`/labels/${labelId}`, { name: 'two', scope: 'g' });
  const [renamed, created] = await found('resource_type=label');
  assert.deepEqual(
    [renamed.operation, renamed.resource, created.reason],
    ['update_label', 'two', 'Ticket 4711'],
  );
  assert.deepEqual((await entryOf(renamed.id)).before, { name: 'one' });
});

test('what Harbor has one row for is told in full beside it', async () => {
  assert.deepEqual(
    (await found('project=seen&resource=seen/app*&order=oldest')).map(
      ({ operation, resource }: { operation: string; resource: string }) => [
        operation,
        resource.replace(/@.*/, '@'),
      ],
    ),
    [
      ['push_manifest', 'seen/app@'],
      ['create_artifact', 'seen/app:v1'],
    ],
  );
});

test('logins, also of robots and in vain, are told with the address', async () => {
  await send(server, 'GET', '/service/token?service=harbor-registry', { as: 'nobody:wrong' });
  const failures = () => found('operation=login_user,login_robot&result=failure');
  // Logins are recorded in the background.
  await until('it is told', async () => (await failures()).length > 0);
  const [failed] = await failures();
  assert.deepEqual([failed?.actor, failed?.address, failed?.result], ['nobody', '127.0.0.1', 'failure']);
  assert.equal((await found('actor=nobody&address=127.0.0.0/8')).length, 1);
  assert.equal((await found('actor=nobody&address=::ffff:127.0.0.1/128')).length, 1);
  assert.equal((await found('actor=nobody&address=10.0.0.0/8')).length, 0);
});

test('who reads the logs of projects sees those alone, and others nothing', async () => {
  const projects = new Set(
    (await found('', 'dev')).map(({ project_id }: { project_id: number }) => project_id),
  );
  const [{ project_id: seen }] = await found('project=seen&limit=1');
  assert.deepEqual([...projects], [seen]);
  assert.deepEqual(await found('project=hidden', 'dev'), []);
  assert.deepEqual(await found('', 'guest'), []);
  const [hidden] = await found('project=hidden&limit=1');
  assert.equal((await ask(server, 'GET', `/audit/entries/${hidden.id}`, { as: 'dev' })).status, 404);
  assert.equal((await ask(server, 'GET', '/audit/entries', { as: '' })).status, 401);
  assert.equal((await ask(server, 'GET', `/audit/entries/${hidden.id}`, { as: '' })).status, 401);
});

test('a page leads to the next one, in both orders', async () => {
  for (const order of ['newest', 'oldest']) {
    const ids: number[] = [];
    for (
      let path: string | undefined = `/audit/entries?limit=7&order=${order}&to=2100-01-01T00:00:00Z`;
      path;
    ) {
      const answer = await ask(server, 'GET', path);
      ids.push(...json(answer).map(({ id }: { id: number }) => id));
      path = /<(.*)>/.exec(String(answer.headers.link ?? ''))?.[1];
    }
    assert.ok(ids.length > 14 && new Set(ids).size === ids.length);
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => (order === 'newest' ? b - a : a - b)),
    );
  }
});

test('what cannot be asked is refused', async () => {
  for (const query of [
    ...['actor_kind=cat', 'operation=eat', 'resource_type=cat', 'from=yesterday', 'address=10.0.0.0/33'],
    ...[
      'address=10.0.0.1/8/8',
      'address=fe80::1%25eth0',
      'address=::1/000',
      'address=10.0.0.1/08',
      'result=perhaps',
      'order=up',
      'limit=101',
      'project_id=x',
    ],
    `reason=${'x'.repeat(513)}`,
  ])
    assert.deepEqual(
      refusalOf(await ask(server, 'GET', `/audit/entries?${query}`)),
      [422, 'UNPROCESSABLE_ENTITY'],
      query,
    );
  for (const after of [
    'x',
    'WzEsMl0',
    Buffer.from('["2026-01-01T00:00:00Z","99999999999999999999"]').toString('base64url'),
  ])
    assert.deepEqual(
      refusalOf(await ask(server, 'GET', `/audit/entries?after=${after}`)),
      [400, 'BAD_REQUEST'],
      after,
    );
  for (const id of ['0', 'x', '99999999999999999999', '0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11'])
    assert.equal((await ask(server, 'GET', `/audit/entries/${id}`)).status, 404, id);
  assert.deepEqual(await found('actor=%ED%A0%80&resource=%EF%BF%BD*&reason=%25'), []);
});

test('a project says whether its pulls are told, whatever is set for all', async () => {
  const pull = async (project: string) =>
    assert.equal((await send(server, 'GET', `/v2/${project}/app/manifests/v1`)).status, 200);
  const pullsOf = async (project: string) =>
    (await found(`operation=pull_artifact&project=${project}`)).length;
  const say = async (value: string) =>
    assert.equal(
      (await ask(server, 'PUT', '/projects/seen', { body: { metadata: { audit_pulls: value } } })).status,
      200,
    );
  await pushImage(server, 'hidden/app', 'v1');
  const settle = async (project: string, count: number) => {
    const end = Date.now() + 30_000;
    while ((await pullsOf(project)) !== count && Date.now() < end)
      await new Promise((go) => setTimeout(go, 100));
    assert.equal(await pullsOf(project), count);
  };
  await say('false');
  await pull('seen');
  await pull('hidden');
  // Both are recorded in the order in which they came.
  await settle('hidden', 1);
  assert.equal(await pullsOf('seen'), 0);
  const body = { disabled_audit_log_event_types: 'pull_artifact' };
  assert.equal((await ask(server, 'PUT', '/configurations', { body })).status, 200);
  await say('true');
  await pull('hidden');
  await pull('seen');
  await settle('seen', 1);
  assert.equal(await pullsOf('hidden'), 1);
});
