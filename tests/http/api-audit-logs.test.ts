import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { auditEventTypes } from '../../domain/configuration/items.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import {
  addMember,
  ask,
  createdId,
  createProject,
  createUser,
  json,
  password,
  personOf,
} from './api-client.ts';
import { type Answer, mediaTypes, pushImage, send } from './client.ts';

const server = await startServer({ after });
for (const name of ['dev', 'leader', 'other']) await createUser(server, name);
const teamId = await createProject(server, 'team');
await createProject(server, 'elsewhere', true);
await addMember(server, 'team', 'leader', 'projectAdmin');
await addMember(server, 'team', 'dev', 'developer');
await addMember(server, 'elsewhere', 'other', 'projectAdmin');
const bobId = await createUser(server, 'bob');
const { digest } = await pushImage(server, 'team/app', 'v1');

interface Row {
  readonly id: number;
  readonly username: string;
  readonly operation: string;
  readonly resource_type: string;
  readonly resource: string;
  readonly op_time: string;
  readonly operation_description: string;
  readonly operation_result: boolean;
}
const logOf = async (as?: string, query = 'page_size=100', path = '/auditlog-exts'): Promise<Row[]> => {
  const answer = await ask(server, 'GET', `${path}?${query.replaceAll(' ', '%20')}`, {
    ...(as !== undefined && { as }),
  });
  assert.equal(answer.status, 200, answer.body.toString());
  return json(answer);
};
const told = ({
  username,
  operation,
  resource_type,
  resource,
  operation_description,
  operation_result,
}: Row) => [username, operation, resource_type, resource, operation_description, operation_result] as const;
type Told = ReturnType<typeof told>;

/** The rows that `work` leads to, the oldest first; those of logins that requests bring along are left out. */
async function rowsOf(work: () => Promise<unknown>, count: number): Promise<Told[]> {
  const [last] = await logOf();
  await work();
  let rows: Row[] = [];
  await until(`there are ${count} rows`, async () => {
    const all = await logOf();
    rows = all
      .slice(
        0,
        all.findIndex(({ id }) => id === last?.id),
      )
      .filter(isNoLogin);
    return rows.length >= count;
  });
  return rows.toReversed().map(told);
}
const isNoLogin = ({ operation }: Row): boolean => operation !== 'login' && operation !== 'logout';
const wasDone = async (answer: Promise<Answer>) => {
  const { status, body } = await answer;
  assert.ok(status < 300, `${status} ${body}`);
};
const wasRefused = async (answer: Promise<Answer>) => assert.ok((await answer).status >= 400);

const manifest = '/v2/team/app/manifests';
const project = '/projects/team';
const robot = {
  ...{ name: 'ci', level: 'project', duration: -1 },
  permissions: [{ kind: 'project', namespace: 'team', access: [{ resource: 'repository', action: 'pull' }] }],
};
let memberId = 0;
let robotId = 0;

/** Harbor's table, row by row. */
const table: readonly (readonly [what: string, work: () => Promise<unknown>, ...rows: Told[]])[] = [
  [
    'a push with a tag',
    () => pushImage(server, 'team/app', 'v2'),
    ['admin', 'create', 'artifact', 'team/app:v2', `push artifact: team/app@${digest}`, true],
  ],
  [
    'a pull by a tag',
    () => wasDone(send(server, 'GET', `${manifest}/v1`, { as: `dev:${password}` })),
    ['dev', 'pull', 'artifact', 'team/app:v1', `pull artifact: team/app@${digest}`, true],
  ],
  [
    'a pull by a digest',
    () => wasDone(send(server, 'GET', `${manifest}/${digest}`)),
    ['admin', 'pull', 'artifact', `team/app@${digest}`, `pull artifact: team/app@${digest}`, true],
  ],
  [
    'a new tag',
    () =>
      wasDone(ask(server, 'POST', `${project}/repositories/app/artifacts/v1/tags`, { body: { name: 'v3' } })),
    ['admin', 'create', 'tag', 'team/app:v3', 'create tag: team/app:v3', true],
  ],
  [
    'a tag that is deleted',
    () => wasDone(ask(server, 'DELETE', `${project}/repositories/app/artifacts/v1/tags/v3`)),
    ['admin', 'delete', 'tag', 'team/app:v3', 'delete tag: team/app:v3', true],
  ],
  [
    'an artifact that is deleted with its tags',
    () => wasDone(ask(server, 'DELETE', `${project}/repositories/app/artifacts/v1`)),
    ['admin', 'delete', 'artifact', `team/app@${digest}`, `delete artifact: team/app@${digest}`, true],
  ],
  [
    'a manifest that is pushed and deleted with its tags through the registry',
    async () => {
      await pushImage(server, 'team/app', 'v1');
      await pushImage(server, 'team/app', 'v2');
      await wasDone(send(server, 'DELETE', `${manifest}/${digest}`));
    },
    ['admin', 'create', 'artifact', 'team/app:v1', `push artifact: team/app@${digest}`, true],
    ['admin', 'create', 'artifact', 'team/app:v2', `push artifact: team/app@${digest}`, true],
    ['admin', 'delete', 'artifact', `team/app@${digest}`, `delete artifact: team/app@${digest}`, true],
  ],
  [
    'a repository that is deleted',
    () => wasDone(ask(server, 'DELETE', `${project}/repositories/app`)),
    ['admin', 'delete', 'repository', 'team/app', 'delete repository: team/app', true],
  ],
  [
    'a project that is made with settings',
    () =>
      wasDone(
        ask(server, 'POST', '/projects', {
          as: 'dev',
          body: { project_name: 'made', metadata: { public: 'true', auto_scan: 'true' } },
        }),
      ),
    ['dev', 'create', 'project', 'made', 'create project: made', true],
  ],
  [
    'settings of a project that are changed together',
    () =>
      wasDone(
        ask(server, 'PUT', '/projects/made', {
          body: { metadata: { auto_scan: 'false' }, cve_allowlist: { items: [{ cve_id: 'CVE-2026-1' }] } },
        }),
      ),
    ['admin', 'update', 'project', 'made', 'update project: made', true],
  ],
  [
    'a setting of a project that is added, changed and removed',
    async () => {
      await wasDone(ask(server, 'POST', '/projects/made/metadatas/', { body: { severity: 'low' } }));
      await wasDone(ask(server, 'PUT', '/projects/made/metadatas/severity', { body: { severity: 'high' } }));
      await wasDone(ask(server, 'DELETE', '/projects/made/metadatas/severity'));
    },
    ['admin', 'update', 'project', 'made', 'update project: made', true],
    ['admin', 'update', 'project', 'made', 'update project: made', true],
    ['admin', 'update', 'project', 'made', 'update project: made', true],
  ],
  [
    'a change of a project that is refused',
    () => wasRefused(ask(server, 'PUT', project, { as: 'other', body: { metadata: { public: 'true' } } })),
    ['other', 'update', 'project', 'team', 'update project: team', false],
  ],
  [
    'a project that is deleted',
    () => wasDone(ask(server, 'DELETE', '/projects/made')),
    ['admin', 'delete', 'project', 'made', 'delete project: made', true],
  ],
  [
    'a robot that is made',
    async () => {
      robotId = createdId(await ask(server, 'POST', '/robots', { as: 'leader', body: robot }));
    },
    ['leader', 'create', 'robot', 'team+ci', 'create robot: team+ci', true],
  ],
  [
    'a robot that is deleted',
    () => wasDone(ask(server, 'DELETE', `/robots/${robotId}`)),
    ['admin', 'delete', 'robot', 'team+ci', 'delete robot: team+ci', true],
  ],
  [
    'a member that is added, changed and removed',
    async () => {
      memberId = await addMember(server, 'team', 'bob', 'guest');
      await wasDone(ask(server, 'PUT', `${project}/members/${memberId}`, { body: { role_id: 2 } }));
      await wasDone(ask(server, 'DELETE', `${project}/members/${memberId}`));
    },
    ['admin', 'create', 'member', 'bob', 'create user member bob in project team', true],
    ['admin', 'update', 'member', 'bob', 'update user member bob in project team', true],
    ['admin', 'delete', 'member', 'bob', 'delete user member bob from project team', true],
  ],
  [
    'a member who is not added',
    async () => {
      const body = { role_id: 1, member_user: { username: 'nobody' } };
      await wasRefused(ask(server, 'POST', `${project}/members`, { as: 'leader', body }));
    },
    ['leader', 'create', 'member', 'nobody', 'create user member nobody in project team', false],
  ],
  [
    'a member who is not changed',
    async () => {
      const mine = json(await ask(server, 'GET', `${project}/members?entityname=dev`))[0].id;
      await wasRefused(ask(server, 'PUT', `${project}/members/${mine}`, { as: 'dev', body: { role_id: 1 } }));
    },
    ['dev', 'update', 'member', 'dev', 'update user member dev in project team', false],
  ],
  [
    'a member who is not removed',
    async () => {
      const mine = json(await ask(server, 'GET', `${project}/members?entityname=dev`))[0].id;
      await wasRefused(ask(server, 'DELETE', `${project}/members/${mine}`, { as: 'dev' }));
    },
    ['dev', 'delete', 'member', 'dev', 'delete user member dev from project team', false],
  ],
  [
    'a user who is made',
    () => wasDone(ask(server, 'POST', '/users', { body: personOf('eve') })),
    ['admin', 'create', 'user', 'eve', 'create user with name: eve', true],
  ],
  [
    'a user who is made once more',
    () => wasRefused(ask(server, 'POST', '/users', { body: personOf('eve') })),
    ['admin', 'create', 'user', 'eve', 'create user with name: eve', false],
  ],
  [
    'a user who has another profile',
    () =>
      wasDone(ask(server, 'PUT', `/users/${bobId}`, { body: { ...personOf('bob'), realname: 'Robert' } })),
    ['admin', 'update', 'user', 'bob', 'update user with name: bob', true],
  ],
  [
    'a user who becomes an administrator',
    () => wasDone(ask(server, 'PUT', `/users/${bobId}/sysadmin`, { body: { sysadmin_flag: true } })),
    [
      ...(['admin', 'update', 'user', 'bob'] as const),
      'update user with name: bob, add/remove user as system administrator',
      true,
    ],
  ],
  [
    'a password that is changed',
    () => wasDone(ask(server, 'PUT', `/users/${bobId}/password`, { body: { new_password: 'An0ther-one' } })),
    ['admin', 'update', 'user', 'bob', 'update user with name: bob, change user password', true],
  ],
  [
    'a password that is not changed, and what it should have been is told to nobody',
    () =>
      wasRefused(
        ask(server, 'PUT', `/users/${bobId}/password`, { as: 'dev', body: { new_password: 'S3cret-one' } }),
      ),
    ['dev', 'update', 'user', 'bob', 'update user with name: bob, change user password', false],
  ],
  [
    'a user who is deleted',
    () => wasDone(ask(server, 'DELETE', `/users/${bobId}`)),
    ['admin', 'delete', 'user', 'bob', 'delete user with name: bob', true],
  ],
  [
    'settings that are changed',
    () => wasDone(ask(server, 'PUT', '/configurations', { body: { robot_token_duration: 31 } })),
    ['admin', 'update', 'configuration', 'configuration', 'update configuration', true],
  ],
  [
    'settings that somebody may not change',
    () => wasRefused(ask(server, 'PUT', '/configurations', { as: 'dev', body: { read_only: true } })),
    ['dev', 'update', 'configuration', 'configuration', 'update configuration', false],
  ],
  [
    'settings that are changed to what they cannot be',
    () => wasRefused(ask(server, 'PUT', '/configurations', { body: { read_only: 'maybe' } })),
    ['admin', 'update', 'configuration', 'configuration', 'update configuration', false],
  ],
];
for (const [what, work, ...rows] of table)
  test(`${what} is told as Harbor tells it`, async () => {
    assert.deepEqual(await rowsOf(work, rows.length), rows);
  });

test('two requests keep all their rows, also where the client gives both one id', async () => {
  const headers = { 'X-Request-Id': 'one-for-both' };
  const rows = await rowsOf(async () => {
    for (const severity of ['low', 'high'])
      await wasDone(ask(server, 'PUT', project, { headers, body: { metadata: { severity } } }));
    const { manifest: pushed } = await pushImage(server, 'team/same', 'v1');
    for (const at of [digest, 'v2'])
      await wasDone(
        send(server, 'PUT', `/v2/team/same/manifests/${at}`, {
          headers: { ...headers, 'content-type': mediaTypes.image },
          body: pushed,
        }),
      );
    for (const at of ['v1', digest])
      await wasDone(send(server, 'DELETE', `/v2/team/same/manifests/${at}`, { headers }));
  }, 6);
  assert.deepEqual(
    rows.map(([, operation, type, resource]) => `${operation} ${type} ${resource}`),
    [
      ...['update project team', 'update project team'],
      ...['create artifact team/same:v1', 'create artifact team/same:v2'],
      ...['delete tag team/same:v1', `delete artifact team/same@${digest}`],
    ],
  );
});

test('a refused change is told of the project that the path names, though another has that number', async () => {
  const named = String(teamId);
  await createProject(server, named);
  const change = (headers: Record<string, string>) =>
    wasRefused(ask(server, 'PUT', `/projects/${named}`, { as: 'other', body: { metadata: {} }, headers }));
  const rows = await rowsOf(async () => {
    await change({ 'X-Is-Resource-Name': 'true' });
    await until('it is told', async () => (await logOf(undefined, `q=resource=${named}`)).length === 2);
    await change({});
  }, 2);
  assert.deepEqual(
    rows.map(([, , , resource]) => resource),
    [named, 'team'],
  );
});

test('what nobody known was refused is not told, and neither is what changed nothing of that', async () => {
  const rows = await rowsOf(async () => {
    await wasRefused(ask(server, 'PUT', project, { as: '', body: { metadata: { public: 'true' } } }));
    await wasRefused(ask(server, 'DELETE', `/users/${bobId}`, { as: '' }));
    await wasRefused(ask(server, 'DELETE', '/projects/team', { as: 'other' }));
    await wasDone(ask(server, 'POST', '/labels', { body: { name: 'of-a-test', scope: 'g' } }));
    await wasDone(ask(server, 'PUT', '/configurations', { body: { robot_token_duration: 30 } }));
  }, 1);
  assert.deepEqual(
    rows.map(([, operation, type]) => `${operation} ${type}`),
    ['update configuration'],
  );
});

test('logins and logouts are told, those that failed as failed, and those of robots not at all', async () => {
  const csrf = await send(server, 'GET', '/c/log_out', { as: '' });
  const token = String(csrf.headers['x-harbor-csrf-token']);
  const cookies = [csrf.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';', 1)[0]);
  const login = async (principal: string, secret: string) =>
    send(server, 'POST', '/c/login', {
      as: '',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-harbor-csrf-token': token,
        cookie: cookies.join('; '),
      },
      body: new URLSearchParams({ principal, password: secret }).toString(),
    });
  const loggedIn = await login('other', password);
  assert.equal(loggedIn.status, 200, loggedIn.body.toString());
  assert.equal((await login('somebody', 'Wr0ng-password')).status, 401);
  assert.equal((await login('robot$ci', 'Wr0ng-password')).status, 401);
  const sid = [loggedIn.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';', 1)[0]);
  await send(server, 'GET', '/c/log_out', { as: '', headers: { cookie: sid.join('; ') } });
  await until('the logout is told', async () => (await logOf(undefined, 'q=operation=logout')).length > 0);
  const rows = await logOf(undefined, 'q=operation={login logout}&page_size=3');
  assert.deepEqual(rows.map(told), [
    ['other', 'logout', 'user', 'other', 'logout', true],
    ['somebody', 'login', 'user', 'somebody', 'login', false],
    ['other', 'login', 'user', 'other', 'login', true],
  ]);
});

test('a pull by nobody known is told of anonymous, and one by a robot of its full name', async () => {
  const { digest: other } = await pushImage(server, 'elsewhere/app', 'v1');
  const made = json(await ask(server, 'POST', '/robots', { body: { ...robot, name: 'puller' } }));
  await pushImage(server, 'team/pulled', 'v1');
  const rows = await rowsOf(async () => {
    await wasDone(send(server, 'GET', '/v2/elsewhere/app/manifests/v1', { as: '' }));
    await wasDone(send(server, 'GET', '/v2/team/pulled/manifests/v1', { as: `${made.name}:${made.secret}` }));
  }, 2);
  assert.deepEqual(
    rows.map(([who, , , resource]) => [who, resource]),
    [
      ['anonymous', 'elsewhere/app:v1'],
      ['robot$team+puller', 'team/pulled:v1'],
    ],
  );
  const found = await logOf(undefined, `q=resource=elsewhere/app:v1,operation=pull`);
  assert.deepEqual(found.map(told), [
    ['anonymous', 'pull', 'artifact', 'elsewhere/app:v1', `pull artifact: elsewhere/app@${other}`, true],
  ]);
});

test('who may read the log of the system reads all, and others that of the projects whose log is theirs', async () => {
  const resources = async (as: string, query?: string) =>
    new Set((await logOf(as, query)).map(({ resource }) => resource.split(/[/+]/, 1)[0]));
  const all = await logOf();
  assert.ok(all.some(({ resource_type }) => resource_type === 'configuration'));
  assert.deepEqual(await resources('other'), new Set(['elsewhere', 'other']));
  assert.ok((await logOf('leader')).every(({ resource }) => !resource.startsWith('elsewhere')));
  assert.deepEqual(await logOf('dev'), [], 'a developer reads no log');
  assert.equal((await ask(server, 'GET', '/auditlog-exts', { as: '' })).status, 401);
  assert.deepEqual(await logOf('other', `q=project_id=${teamId}`), []);
  assert.deepEqual(
    (await logOf('leader', `q=project_id=${teamId}&page_size=100`)).map(({ id }) => id),
    (await logOf('leader', 'page_size=100', '/projects/team/auditlog-exts')).map(({ id }) => id),
  );
  for (const [as, access] of [
    ['elsewhere', 403],
    ['*', 403],
  ] as const) {
    const permissions = [{ kind: 'project', namespace: as, access: [{ resource: 'log', action: 'list' }] }];
    const body = { name: `reads-${as === '*' ? 'all' : as}`, level: 'system', duration: -1, permissions };
    const made = json(await ask(server, 'POST', '/robots', { body }));
    const reader = `${made.name}:${made.secret}`;
    const seen = await resources(reader, 'page_size=100&q=resource_type={artifact project}');
    assert.equal(seen.has('elsewhere'), true);
    assert.equal(seen.has('team'), as === '*');
    assert.ok((await logOf(reader)).every(({ resource_type }) => resource_type !== 'configuration'));
    assert.equal((await ask(server, 'GET', '/auditlog-exts/events', { as: reader })).status, access);
  }
});

test('the older form has no descriptions, and nothing of users, members, settings and what failed', async () => {
  const rows = await logOf(undefined, 'page_size=100', '/audit-logs');
  for (const row of rows)
    assert.deepEqual(Object.keys(row).toSorted(), [
      ...['id', 'op_time', 'operation', 'resource', 'resource_type', 'username'],
    ]);
  assert.deepEqual([...new Set(rows.map(({ resource_type }) => resource_type))].toSorted(), [
    'artifact',
    'project',
    'repository',
    'robot',
    'tag',
  ]);
  assert.ok(rows.every(({ username }) => username !== 'other'));
  assert.deepEqual(
    (await logOf('other', '', '/audit-logs')).map(({ resource }) => resource.split('/', 1)[0]).toSorted(),
    ['elsewhere', 'elsewhere', 'elsewhere'],
  );
});

test('rows are found by every key, by parts of names and by ranges of time, sorted and paged', async () => {
  const all = await logOf();
  const of = async (q: string, more = '') => logOf(undefined, `q=${q}&page_size=100${more}`);
  const equal = (found: Row[], expected: Row[]) =>
    assert.deepEqual(
      found.map(({ id }) => id),
      expected.map(({ id }) => id),
    );
  equal(
    await of('username=dev'),
    all.filter(({ username }) => username === 'dev'),
  );
  equal(
    await of('username=~DE'),
    all.filter(({ username }) => username.includes('de')),
  );
  equal(
    await of('resource=~app:'),
    all.filter(({ resource }) => resource.includes('app:')),
  );
  equal(
    await of('operation=~del'),
    all.filter(({ operation }) => operation === 'delete'),
  );
  equal(
    await of('Operation=delete,ResourceType=tag'),
    all.filter((row) => row.operation === 'delete' && row.resource_type === 'tag'),
  );
  equal(
    await of('operation_result=false'),
    all.filter(({ operation_result }) => !operation_result),
  );
  equal(
    await of('username={dev leader}'),
    all.filter(({ username }) => ['dev', 'leader'].includes(username)),
  );
  const middle = all[20]?.op_time.replace('Z', '') ?? '';
  equal(
    await of(`op_time=[${middle}~]`),
    all.filter(({ op_time }) => op_time.replace('Z', '') >= middle),
  );
  equal(
    await of(`op_time=[~${middle}],username=admin`),
    (await of('username=admin')).filter(({ op_time }) => op_time.replace('Z', '') <= middle),
  );
  for (const q of ['operation=none', 'username=none', 'project_id=none', 'op_time=[x~]', 'id=x'])
    equal(await of(q), []);
  const oldest = await logOf(undefined, 'sort=op_time&page_size=5');
  assert.deepEqual(oldest[0] && told(oldest[0]).slice(0, 3), ['admin', 'login', 'user']);
  const byName = (await logOf(undefined, 'sort=-resource,op_time&page_size=100')).map(
    ({ resource }) => resource,
  );
  assert.deepEqual(
    byName,
    byName.toSorted((a, b) => (a < b ? 1 : -1)),
  );
  const paged = await ask(server, 'GET', '/auditlog-exts?page=2&page_size=7');
  equal(json(paged), all.slice(7, 14));
  assert.equal(paged.headers['x-total-count'], String(all.length));
  const far = await ask(server, 'GET', '/auditlog-exts?page=900000000&page_size=100');
  assert.deepEqual([far.status, json(far)], [200, []]);
});

test('the types that can be left out are listed, and what is left out is not told from then on', async () => {
  const types = json(await ask(server, 'GET', '/auditlog-exts/events'));
  assert.deepEqual(
    types,
    auditEventTypes.map((event_type) => ({ event_type })),
  );
  await pushImage(server, 'team/silent', 'v1');
  const rows = await rowsOf(async () => {
    const set = (disabled: string) =>
      wasDone(ask(server, 'PUT', '/configurations', { body: { disabled_audit_log_event_types: disabled } }));
    await set('pull_artifact,create_artifact,update_configuration');
    await wasDone(send(server, 'GET', '/v2/team/silent/manifests/v1'));
    await pushImage(server, 'team/silent', 'v2');
    await wasDone(ask(server, 'DELETE', `${project}/repositories/silent/artifacts/v2/tags/v2`));
    await until('the pull is counted', async () => {
      return json(await ask(server, 'GET', `${project}/repositories/silent`)).pull_count === 1;
    });
    await set('');
    await wasDone(send(server, 'GET', '/v2/team/silent/manifests/v1'));
  }, 3);
  assert.deepEqual(
    rows.map(([, operation, type, resource]) => `${operation} ${type} ${resource}`),
    ['update configuration configuration', 'delete tag team/silent:v2', 'pull artifact team/silent:v1'],
  );
});

test('the audit log is the same when it is built anew', async () => {
  const { code, output } = await server.run('verify');
  assert.equal(code, 0, output);
});
