import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { ask, createProject, createUser, faultOf, json, password } from './api-client.ts';
import { send } from './client.ts';

const internalSecret = 'internal-secret-of-a-test';
const server = await startServer(
  { after },
  {
    environment: {
      SHIPLOG_ROBOT_NAME_PREFIX: 'bot+',
      SHIPLOG_TOKEN_EXPIRATION_MINUTES: '7',
      SHIPLOG_INTERNAL_SECRET: internalSecret,
      SESSION_TIMEOUT: '45',
      LDAP_SEARCH_PWD: 'seeded-password',
    },
  },
);
const pinned = await startServer(
  { after },
  {
    environment: {
      CONFIG_OVERWRITE_JSON:
        '{"read_only":false,"session_timeout":15,"oidc_client_secret":"fixed","disabled_audit_log_event_types":"create_user"}',
    },
  },
);

const read = async (target = server) => {
  const answer = await ask(target, 'GET', '/configurations');
  assert.equal(answer.status, 200, answer.body.toString());
  return json(answer);
};
const put = (body: unknown, as?: string) =>
  ask(server, 'PUT', '/configurations', { body, ...(as !== undefined && { as }) });
const set = async (body: unknown) => {
  const answer = await put(body);
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(answer.body.length, 0);
};
const internal = (secret: string) =>
  ask(server, 'GET', '/internalconfig', { as: '', headers: { authorization: `Harbor-Secret ${secret}` } });

test('every item is there with its value, save the secrets', async () => {
  const items = await read();
  assert.deepEqual(items.auth_mode, { value: 'db_auth', editable: true });
  assert.deepEqual(items.ldap_scope, { value: 2, editable: true });
  assert.deepEqual(items.scan_all_policy, {});
  for (const secret of ['ldap_search_password', 'oidc_client_secret', 'uaa_client_secret'])
    assert.equal(items[secret], undefined, secret);
  assert.equal(items.pull_audit_log_disable, undefined);
});

test('what the environment and the file say is what items begin with', async () => {
  const items = await read();
  assert.equal(items.session_timeout.value, 45);
  assert.equal(items.token_expiration.value, 7);
  assert.equal(items.robot_name_prefix.value, 'bot+');
});

test('the auth mode can be changed until somebody else has an account', async () => {
  const unserved = await put({ auth_mode: 'ldap_auth' });
  assert.equal(unserved.status, 400);
  assert.match(faultOf(unserved).message, /there is no login by ldap_auth yet/);
  await createUser(server, 'mira');
  assert.deepEqual((await read()).auth_mode, { value: 'db_auth', editable: false });
  const locked = await put({ auth_mode: 'ldap_auth' });
  assert.deepEqual(
    [locked.status, faultOf(locked)],
    [
      400,
      {
        code: 'BAD_REQUEST',
        message: 'the auth mode cannot be modified as new users have been inserted into database',
      },
    ],
  );
  await set({ auth_mode: 'db_auth' });
});

test('only administrators of the system read and change it', async () => {
  await createUser(server, 'noor');
  for (const [as, status] of [
    ['', 401],
    ['noor', 403],
  ] as const) {
    assert.equal((await ask(server, 'GET', '/configurations', { as })).status, status);
    assert.equal((await put({ read_only: true }, as)).status, status);
  }
  assert.equal((await read()).read_only.value, false);
});

test('a partial document changes what it names, and the next read shows it', async () => {
  await set({ banner_message: '{"message":"Hello","type":"info"}', no_such_item: 1, session_timeout: 20 });
  const items = await read();
  assert.equal(items.banner_message.value, '{"message":"Hello","type":"info"}');
  assert.equal(items.session_timeout.value, 20);
  await set({ banner_message: '', read_only: null });
  assert.equal((await read()).banner_message.value, '');
});

test('a document that was read can be sent back', async () => {
  const before = await read();
  const { scan_all_policy, ...items } = before;
  const document = Object.entries(items as Record<string, { value: unknown }>);
  await set(Object.fromEntries(document.map(([name, { value }]) => [name, value])));
  assert.deepEqual(await read(), before);
});

for (const body of [
  { session_timeout: '20' },
  { session_timeout: 20.5 },
  { session_timeout: 1e300 },
  { read_only: 'true' },
  { read_only: 1 },
  { robot_name_prefix: ['x'] },
  { banner_message: { message: 'x' } },
  [],
  'read_only',
])
  test(`${JSON.stringify(body)} is refused with 422 and changes nothing`, async () => {
    const before = await read();
    assert.equal((await put(body)).status, 422);
    assert.deepEqual(await read(), before);
  });

for (const body of [
  { session_timeout: 0 },
  { token_expiration: 10_000_000_000 },
  { storage_per_project: 0 },
  { robot_name_prefix: '' },
  { robot_name_prefix: 'a:b' },
  { ldap_url: 'ldap://x\0' },
  { oidc_name: '\ud800' },
  { oidc_client_secret: 'a\0' },
  { banner_message: 'Hello' },
  { oidc_extra_redirect_parms: '[]' },
  { disabled_audit_log_event_types: 'create_artifact,unknown_event' },
  { project_creation_restriction: 'nobody' },
  { read_only: true, session_timeout: 0 },
])
  test(`${JSON.stringify(body)} is refused with 400 and changes nothing`, async () => {
    const before = await read();
    const answer = await put(body);
    assert.deepEqual([answer.status, faultOf(answer).code], [400, 'BAD_REQUEST']);
    assert.deepEqual(await read(), before);
  });

test('an endpoint for the audit log has to answer, whatever it is that does not', async (t) => {
  const listener = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => listener.close());
  const { port } = listener.address() as { port: number };
  for (const endpoint of [
    'localhost:1',
    'not an address',
    'syslog',
    'http://127.0.0.1:80/',
    '127.0.0.1:99999',
    '169.254.169.254:80',
    '[fe80::1]:514',
    '0.0.0.0:1',
  ]) {
    const answer = await put({ audit_log_forward_endpoint: endpoint });
    assert.equal(answer.status, 400, endpoint);
    assert.equal(faultOf(answer).message, `could not connect to the audit endpoint: ${endpoint}`);
  }
  const early = await put({ skip_audit_log_database: true });
  assert.deepEqual(
    [early.status, faultOf(early).message],
    [
      400,
      'bad request: audit log forward endpoint should be configured before enable skip audit log in database',
    ],
  );
  await set({ audit_log_forward_endpoint: `127.0.0.1:${port}` });
  await set({ skip_audit_log_database: true });
  assert.equal((await put({ audit_log_forward_endpoint: '' })).status, 400);
  await set({ audit_log_forward_endpoint: '', skip_audit_log_database: false });
});

test('secrets are written, and read by nobody but internal components', async () => {
  await set({ oidc_client_secret: 'swordfish-of-the-test' });
  assert.equal((await internal('wrong')).status, 401);
  assert.equal((await ask(server, 'GET', '/internalconfig')).status, 401);
  assert.equal((await ask(server, 'GET', '/internalconfig', { as: '' })).status, 401);
  const items = json(await internal(internalSecret));
  assert.deepEqual(items.oidc_client_secret, { value: 'swordfish-of-the-test', editable: true });
  assert.deepEqual(items.ldap_search_password, { value: 'seeded-password', editable: true });
  assert.deepEqual(items.pull_audit_log_disable, { value: false, editable: true });
  assert.equal(items.registry_storage_provider_name.value, 'filesystem');
  for (const { value } of Object.values<{ value: unknown }>(items)) assert.notEqual(value, server.password);
  const logged = JSON.stringify(server.lines);
  for (const secret of ['swordfish-of-the-test', 'seeded-password', internalSecret])
    assert.equal(logged.includes(secret), false);
});

test('without an internal secret nobody is internal', async () => {
  for (const secret of ['', 'undefined', 'x'])
    assert.equal(
      (
        await ask(pinned, 'GET', '/internalconfig', {
          as: '',
          headers: { authorization: `Harbor-Secret ${secret}` },
        })
      ).status,
      401,
    );
});

test('what the deployment has fixed is what counts, and nobody changes anything', async () => {
  const items = await read(pinned);
  assert.deepEqual(items.session_timeout, { value: 15, editable: false });
  assert.ok(Object.entries<{ editable?: boolean }>(items).every(([, { editable }]) => editable !== true));
  const answer = await ask(pinned, 'PUT', '/configurations', { body: { self_registration: true } });
  assert.deepEqual([answer.status, faultOf(answer).code], [403, 'FORBIDDEN']);
});

test('only administrators create projects where it is so set', async () => {
  await createUser(server, 'piet');
  const create = (name: string, as?: string) =>
    ask(server, 'POST', '/projects', { body: { project_name: name }, ...(as !== undefined && { as }) });
  assert.equal((await create('of-piet', 'piet')).status, 201);
  await set({ project_creation_restriction: 'adminonly' });
  const refused = await create('of-piet-too', 'piet');
  assert.deepEqual(
    [refused.status, faultOf(refused)],
    [403, { code: 'FORBIDDEN', message: 'Only system admin can create project' }],
  );
  assert.equal((await create('of-admin')).status, 201);
  await set({ project_creation_restriction: 'everyone' });
});

test('a token lives as long as it is set, and for a day at most', async () => {
  const lifetime = async (): Promise<number> =>
    json(await send(server, 'GET', '/service/token?service=harbor-registry')).expires_in;
  assert.equal(await lifetime(), 7 * 60);
  await set({ token_expiration: 3 });
  assert.equal(await lifetime(), 180);
  await set({ token_expiration: 9_999_999_999 });
  assert.equal(await lifetime(), 24 * 3600);
});

test('robots are called by the prefix that is set, old ones too', async () => {
  await createProject(server, 'robotic');
  const created = await ask(server, 'POST', '/robots', {
    body: {
      name: 'ci',
      level: 'project',
      duration: 1,
      permissions: [
        { kind: 'project', namespace: 'robotic', access: [{ resource: 'repository', action: 'pull' }] },
      ],
    },
  });
  const { id, name, secret } = json(created);
  assert.equal(name, 'bot+robotic+ci');
  const logsIn = async (user: string) =>
    (await send(server, 'GET', '/v2/', { as: `${user}:${secret}` })).status === 200;
  assert.ok(await logsIn(name));
  await set({ robot_name_prefix: 'robot$' });
  assert.equal(json(await ask(server, 'GET', `/robots/${id}`)).name, 'robot$robotic+ci');
  assert.ok(await logsIn('robot$robotic+ci'));
  assert.equal(await logsIn(name), false);
});

test('what was set survives a restart, which does not hear the environment again', async () => {
  await set({ session_timeout: 33 });
  assert.equal(await server.stop(), 0);
  await server.start();
  assert.equal((await read()).session_timeout.value, 33);
  await until('the token service answers', async () => (await internal(internalSecret)).status === 200);
  assert.equal(json(await internal(internalSecret)).oidc_client_secret.value, 'swordfish-of-the-test');
});

test('several who change different items at once all see theirs', async () => {
  const bodies = [
    { ldap_filter: '(a=b)' },
    { oidc_name: 'provider' },
    { ldap_timeout: 9 },
    { self_registration: true },
    { notification_enable: false },
  ];
  await Promise.all(bodies.map(set));
  const items = await read();
  for (const [name, value] of bodies.flatMap((body) => Object.entries(body)))
    assert.equal(items[name].value, value);
});

test('a variable that does not fit its item keeps the registry from starting, and says which', async () => {
  const { output, code } = await server.run('config', 'check');
  assert.equal(code, 0, output);
  await assert.rejects(
    startServer(
      { after },
      { environment: { SESSION_TIMEOUT: 'long', CONFIG_OVERWRITE_JSON: '{"read_only":1}' } },
    ),
    (error: Error) =>
      /session_timeout \(SESSION_TIMEOUT\)/.test(error.message) &&
      /read_only \(CONFIG_OVERWRITE_JSON\)/.test(error.message),
  );
});

test('the password of a user is none of the settings', async () => {
  const answer = await ask(server, 'GET', '/configurations');
  assert.equal(answer.body.toString().includes(password), false);
});

test('what the deployment pins of the audit log is left out there, and nothing else', async () => {
  await createUser(pinned, 'untold');
  await createProject(pinned, 'told');
  const rows = json(await ask(pinned, 'GET', '/auditlog-exts?q=operation%3Dcreate'));
  assert.deepEqual(
    rows.map(({ resource }: { resource: string }) => resource),
    ['told'],
  );
});
