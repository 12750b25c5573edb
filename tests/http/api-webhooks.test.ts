import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { webhooksStream } from '../../domain/webhook/events.ts';
import { startServer } from '../server.ts';
import { addMember, api, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';
import { peopleOf } from './people.ts';
import { eventsOf } from './server-log.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
await createProject(server, 'other');
for (const name of ['jane', 'mike']) await createUser(server, name);
await addMember(server, 'team', 'jane', 'projectAdmin');
await addMember(server, 'team', 'mike', 'maintainer');
const people = await peopleOf({ after }, server);
const { log } = people;
const webhook = '/projects/team/webhook';
const policies = `${webhook}/policies`;

const secret = 'Bearer a-secret-that-no-log-has';
const address = 'https://hooks.example.com/services/T0/B0/another-secret?x=1';
const target = { type: 'http', address, auth_header: secret, skip_cert_verify: true };
const formOf = (name: string, more: object = {}) => ({
  ...{ name, description: 'Tells the team', enabled: true },
  targets: [target],
  event_types: ['PUSH_ARTIFACT', 'DELETE_ARTIFACT'],
  ...more,
});
const create = async (name: string, more: object = {}): Promise<number> =>
  createdId(await ask(server, 'POST', policies, { body: formOf(name, more), as: 'jane' }));
const policy = async (id: number) => json(await ask(server, 'GET', `${policies}/${id}`, { as: 'mike' }));

test('a policy is created, read, replaced and deleted as clients of Harbor do it', async () => {
  const created = await ask(server, 'POST', policies, { body: formOf('whole'), as: 'jane' });
  const id = createdId(created);
  assert.equal(header(created, 'location'), `${api}${policies}/${id}`);
  const { creation_time, update_time, ...shown } = await policy(id);
  assert.deepEqual(shown, {
    ...formOf('whole'),
    id,
    project_id: projectId,
    targets: [{ ...target, payload_format: 'Default' }],
    creator: 'jane',
  });
  assert.equal(creation_time, update_time);

  const body = {
    name: 'replaced',
    targets: [{ type: 'slack', address: 'hooks.example.com/x' }],
    event_types: ['QUOTA_EXCEED', 'QUOTA_EXCEED'],
  };
  assert.equal((await ask(server, 'PUT', `${policies}/${id}`, { body })).status, 200);
  const replaced = await policy(id);
  assert.deepEqual(
    [replaced.name, replaced.description, replaced.enabled, replaced.event_types, replaced.creator],
    ['replaced', '', false, ['QUOTA_EXCEED'], 'jane'],
  );
  assert.deepEqual(replaced.targets, [
    { type: 'slack', address: 'hooks.example.com/x', skip_cert_verify: false },
  ]);
  const { name: _, ...unnamed } = body;
  assert.equal((await ask(server, 'PUT', `${policies}/${id}`, { body: unnamed })).status, 200);
  assert.equal((await policy(id)).name, 'replaced', 'without a name it keeps its own');
  assert.equal((await ask(server, 'DELETE', `${policies}/${id}`, { as: 'jane' })).status, 200);
  for (const method of ['GET', 'PUT', 'DELETE'])
    assert.equal((await ask(server, method, `${policies}/${id}`, { body })).status, 404, method);
});

test('the address and the header of a target are in the event log only encrypted', async () => {
  await create('secretive');
  const events = JSON.stringify(await eventsOf(log, webhooksStream(projectId)), (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  assert.match(events, /secretive/);
  assert.doesNotMatch(events, /no-log-has|another-secret|hooks\.example/);
});

test('a name is given once in each project', async () => {
  await create('taken');
  const again = await ask(server, 'POST', policies, { body: formOf('taken') });
  assert.deepEqual([again.status, faultOf(again).code], [409, 'CONFLICT']);
  const id = await create('free');
  assert.equal((await ask(server, 'PUT', `${policies}/${id}`, { body: formOf('taken') })).status, 409);
  const other = '/projects/other/webhook/policies';
  assert.equal((await ask(server, 'POST', other, { body: formOf('taken') })).status, 201);
  for (const method of ['GET', 'PUT', 'DELETE'])
    assert.equal((await ask(server, method, `${other}/${id}`, { body: formOf('x') })).status, 404, method);
});

test('of many who create one policy at once, one succeeds', async () => {
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => ask(server, 'POST', policies, { body: formOf('raced') })),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409, 409, 409]);
});

test('policies are listed in pages, the newest first, and filtered by name', async () => {
  const ids = [await create('page-1'), await create('page-2'), await create('page-3')];
  const listed = async (query: string): Promise<number[]> =>
    json(await ask(server, 'GET', `${policies}?${query}`)).map(({ id }: { id: number }) => id);
  assert.deepEqual(await listed('q=name%3D~page-'), ids.toReversed());
  assert.deepEqual(await listed('q=name%3D~page-&page=2&page_size=2'), ids.slice(0, 1));
  assert.deepEqual(await listed('q=name%3Dpage-2'), ids.slice(1, 2));
  assert.deepEqual(
    await listed('q=targets%3Dx&sort=name&page_size=1'),
    await listed('sort=name&page_size=1'),
  );
});

test('what can be told, and how, is said as Harbor says it', async () => {
  const { event_type, ...how } = json(await ask(server, 'GET', `${webhook}/events`, { as: 'mike' }));
  assert.equal(event_type.length, 10);
  assert.deepEqual(how, {
    notify_type: ['http', 'slack'],
    payload_formats: [{ notify_type: 'http', formats: ['Default', 'CloudEvents'] }],
  });
});

test('what a policy has told is nothing at first', async () => {
  const id = await create('telling', { enabled: false });
  const executions = `${policies}/${id}/executions`;
  for (const path of [executions, `${webhook}/jobs?policy_id=${id}`]) {
    const answer = await ask(server, 'GET', path);
    assert.deepEqual([json(answer), header(answer, 'x-total-count')], [[], '0'], path);
  }
  const never = '0001-01-01T00:00:00.000Z';
  assert.deepEqual(
    json(await ask(server, 'GET', `${webhook}/lasttrigger`))
      .filter(({ policy_name }: Record<string, string>) => policy_name === 'telling')
      .map((row: Record<string, unknown>) => [row.event_type, row.enabled, row.last_trigger_time]),
    [
      ['PUSH_ARTIFACT', false, never],
      ['DELETE_ARTIFACT', false, never],
    ],
  );
  assert.equal((await ask(server, 'GET', `${webhook}/jobs`)).status, 422);
});

test('policies go with their project, and the next of the name begins without', async () => {
  await createProject(server, 'passing');
  const passing = '/projects/passing/webhook/policies';
  const id = createdId(await ask(server, 'POST', passing, { body: formOf('gone') }));
  assert.equal((await ask(server, 'DELETE', '/projects/passing')).status, 200);
  await createProject(server, 'passing');
  assert.deepEqual(json(await ask(server, 'GET', passing)), []);
  assert.equal((await ask(server, 'GET', `${passing}/${id}`)).status, 404);
});

const filters = {
  repositories: { kind: 'doublestar', decoration: 'repoExcludes', pattern: 'tmp/**' },
  tags: { kind: 'doublestar', decoration: 'matches', pattern: 'v*', extras: '{"untagged":true}' },
};

test('a policy can leave out repositories and tags, and a client of Harbor that changes it leaves that', async () => {
  const id = await create('filtered', { filters });
  assert.deepEqual((await policy(id)).filters, filters);
  const change = async (more: object) => {
    const body = formOf('filtered', more);
    assert.equal((await ask(server, 'PUT', `${policies}/${id}`, { body })).status, 200);
    return (await policy(id)).filters;
  };
  assert.deepEqual(await change({}), filters);
  assert.deepEqual(await change({ filters: null }), filters);
  assert.deepEqual(await change({ filters: { tags: { pattern: 'v1' } } }), {
    tags: { kind: 'doublestar', decoration: 'matches', pattern: 'v1' },
  });
  assert.equal(await change({ filters: {} }), undefined);
});

const bytes = (count: number) => `whsec_${Buffer.alloc(count, 7).toString('base64')}`;
/** All that is known of a policy's signing, through the whole of its life. */
async function signsAt(path: string) {
  const change = (body?: object) => ask(server, 'POST', `${path}/secret`, body && { body });
  const signing = async () => json(await ask(server, 'GET', path)).signing;
  assert.equal(await signing(), undefined);
  const first = await change();
  assert.equal(first.status, 200, first.body.toString());
  const { secret } = json(first);
  assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
  const { previous_until, changed_at } = await signing();
  assert.deepEqual([previous_until, typeof changed_at], [undefined, 'string']);

  assert.deepEqual(json(await change({ secret: bytes(24) })), {});
  const { previous_until: until, changed_at: at } = await signing();
  assert.ok(Math.abs(Date.parse(until) - Date.parse(at) - 24 * 60 * 60 * 1000) < 60_000);
  const shown = (await ask(server, 'GET', path)).body.toString();
  assert.ok(!shown.includes(secret) && !shown.includes(bytes(24)), 'it is shown once');

  for (const bad of ['x', 'whsec_', bytes(23), bytes(65), `${bytes(24)}\0`, 'whsec_\ud800'])
    assert.equal((await change({ secret: bad })).status, 400, bad);
  assert.equal((await change({ secret: 1 })).status, 422);
  const { previous_until: same } = await signing();
  assert.equal(same, until, 'what is refused changes nothing');

  for (const _ of ['first', 'again'])
    assert.equal((await ask(server, 'DELETE', `${path}/secret`)).status, 200);
  assert.equal(await signing(), undefined);
}

test('what a policy tells is signed by a secret that is shown once, and the one before signs too for a day', async () => {
  const id = await create('signing');
  await signsAt(`${policies}/${id}`);
  for (const method of ['POST', 'DELETE'])
    assert.equal((await ask(server, method, `${policies}/${id}/secret`, { as: 'mike' })).status, 403);
  for (const method of ['POST', 'DELETE'])
    assert.equal((await ask(server, method, `${policies}/987654/secret`)).status, 404);
  const other = `/projects/other/webhook/policies/${id}`;
  assert.equal((await ask(server, 'POST', `${other}/secret`)).status, 404);
  const events = JSON.stringify(await eventsOf(log, webhooksStream(projectId)), (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  assert.match(events, /WebhookSecretChanged/);
  assert.doesNotMatch(events, /whsec_/);
});

test('administrators, and nobody else, have policies for every project', async () => {
  const all = '/webhook/policies';
  const body = formOf('taken', { filters: { repositories: { pattern: 'team/**' } } });
  const id = createdId(await ask(server, 'POST', all, { body }));
  const path = `${all}/${id}`;
  const shown = json(await ask(server, 'GET', path));
  assert.deepEqual([shown.name, shown.project_id, shown.creator], ['taken', 0, 'admin']);
  assert.equal(shown.filters.repositories.pattern, 'team/**');
  assert.deepEqual(
    json(await ask(server, 'GET', all)).map((each: { id: number }) => each.id),
    [id],
  );
  assert.equal((await ask(server, 'POST', all, { body })).status, 409);
  assert.equal((await ask(server, 'GET', `${policies}/${id}`)).status, 404, 'it is none of a project');
  const ofProject = await create('of the project');
  for (const method of ['GET', 'PUT', 'DELETE'])
    assert.equal((await ask(server, method, `${all}/${ofProject}`, { body })).status, 404, method);
  assert.deepEqual(
    json(await ask(server, 'GET', `${policies}?page_size=0`)).filter(
      (each: { id: number }) => each.id === id,
    ),
    [],
  );
  for (const [as, status] of [
    ['jane', 403],
    ['', 401],
  ] as const)
    for (const [method, at] of [
      ['GET', all],
      ['POST', all],
      ...['GET', 'PUT', 'DELETE'].map((each) => [each, path] as const),
      ...['POST', 'DELETE'].map((each) => [each, `${path}/secret`] as const),
    ] as const)
      assert.equal((await ask(server, method, at, { as, body })).status, status, `${as} ${method} ${at}`);
  assert.equal((await ask(server, 'PUT', path, { body: formOf('', { enabled: false }) })).status, 200);
  const changed = json(await ask(server, 'GET', path));
  assert.deepEqual([changed.name, changed.enabled, changed.filters], ['taken', false, shown.filters]);
  await signsAt(path);
  assert.equal((await ask(server, 'DELETE', path)).status, 200);
  assert.equal((await ask(server, 'GET', path)).status, 404);
});

const to = (more: object) => formOf('x', { targets: [{ ...target, ...more }] });
const refused: readonly (readonly [string, object, number])[] = [
  ['no name', formOf(''), 400],
  ['a long name', formOf('x'.repeat(256)), 400],
  ['a name with a NUL', formOf('a\0b'), 400],
  ['a name with half a character', formOf('a\ud800b'), 400],
  ['a name that is a number', formOf('x', { name: 1 }), 422],
  ['a description with a NUL', formOf('x', { description: '\0' }), 400],
  ['no targets', formOf('x', { targets: [] }), 400],
  ['targets that are null', formOf('x', { targets: null }), 400],
  ['too many targets', formOf('x', { targets: Array.from({ length: 21 }, () => target) }), 400],
  ['no event types', formOf('x', { event_types: [] }), 400],
  ['an unknown event type', formOf('x', { event_types: ['PUSH_ARTIFACT', 'pushed'] }), 400],
  ['no address', to({ address: '' }), 400],
  ['an address of another scheme', to({ address: 'ftp://example.com' }), 400],
  ['an address that is a file', to({ address: 'file:///etc/passwd' }), 400],
  ['an address that is none', to({ address: 'http://' }), 400],
  ['an address that can be read in two ways', to({ address: 'http:/\\\\evil.example.com' }), 400],
  ['an address with a user', to({ address: 'http://user:secret@example.com' }), 400],
  ['an address with a space', to({ address: 'http://exa mple.com' }), 400],
  ['an address with a line', to({ address: 'http://example.com/\r\nx' }), 400],
  ['a long address', to({ address: `http://example.com/${'x'.repeat(2048)}` }), 400],
  ['a header of several lines', to({ auth_header: 'x\r\nHost: other' }), 400],
  ['a header with a NUL', to({ auth_header: '\0' }), 400],
  ['a long header', to({ auth_header: 'x'.repeat(4097) }), 400],
  ['an unknown type', to({ type: 'teams' }), 400],
  ['no type', to({ type: null }), 400],
  ['an unknown format', to({ payload_format: 'XML' }), 400],
  ['a format for slack', to({ type: 'slack', payload_format: 'Default' }), 400],
  ['an address of this machine', to({ address: 'http://localhost:8080' }), 400],
  ['an address of this machine in another writing', to({ address: 'http://0x7f.1' }), 400],
  ['an address where clouds keep secrets', to({ address: 'http://169.254.169.254/latest' }), 400],
  ['the same in IPv6', to({ address: 'http://[::ffff:169.254.169.254]' }), 400],
  ['filters that are a text', formOf('x', { filters: 'v*' }), 422],
  ['a filter without a pattern', formOf('x', { filters: { tags: {} } }), 400],
  ['a filter that is no pattern', formOf('x', { filters: { tags: { pattern: '[' } } }), 400],
  ['a filter with a NUL', formOf('x', { filters: { repositories: { pattern: 'a\0' } } }), 400],
  [
    'a filter of tags for repositories',
    formOf('x', { filters: { repositories: { pattern: 'a', decoration: 'matches' } } }),
    400,
  ],
  ['a flag that is a text', to({ skip_cert_verify: 'true' }), 422],
];
for (const [what, body, status] of refused)
  test(`a policy with ${what} is refused, and its secrets are not repeated`, async () => {
    const answer = await ask(server, 'POST', policies, { body });
    assert.equal(answer.status, status, answer.body.toString());
    assert.doesNotMatch(answer.body.toString(), /no-log-has|another-secret/);
  });
