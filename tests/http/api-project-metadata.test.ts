import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, faultOf, json } from './api-client.ts';

const server = await startServer({ after });
const roles = ['projectAdmin', 'maintainer', 'developer'] as const;
await createProject(server, 'roles');
for (const role of roles) {
  await createUser(server, role.toLowerCase());
  await addMember(server, 'roles', role.toLowerCase(), role);
}

const at = (project: string, key = '') => `/projects/${project}/metadatas/${key}`;
const all = async (project: string) => json(await ask(server, 'GET', at(project)));
const add = (project: string, body: unknown) => ask(server, 'POST', at(project), { body });
const set = (project: string, key: string, body: unknown) => ask(server, 'PUT', at(project, key), { body });

test('a setting is added, read, changed and removed', async () => {
  await createProject(server, 'set');
  assert.deepEqual(await all('set'), { public: 'false' });
  const added = await add('set', { auto_scan: 'True' });
  assert.deepEqual([added.status, added.body.length], [200, 0]);
  assert.deepEqual(await all('set'), { public: 'false', auto_scan: 'true' });
  assert.deepEqual(json(await ask(server, 'GET', at('set', 'auto_scan'))), { auto_scan: 'true' });
  assert.equal((await set('set', 'auto_scan', { auto_scan: 'false', severity: 'high' })).status, 200);
  assert.deepEqual(await all('set'), { public: 'false', auto_scan: 'false' }, 'other keys are ignored');
  for (let round = 0; round < 2; round += 1)
    assert.equal((await ask(server, 'DELETE', at('set', 'auto_scan'))).status, 200);
  assert.deepEqual(json(await ask(server, 'GET', at('set', 'auto_scan'))), {});
  assert.equal((await set('set', 'severity', { severity: 'Negligible' })).status, 200);
  assert.deepEqual(await all('set'), { public: 'false', severity: 'none' });
});

test('a project is public by the setting of that name, which every project has', async () => {
  await createProject(server, 'open');
  const isSeen = async () => (await ask(server, 'GET', '/projects/open', { as: '' })).status === 200;
  const added = await add('open', { public: 'true' });
  assert.deepEqual([added.status, faultOf(added).code], [409, 'CONFLICT']);
  assert.equal((await set('open', 'public', { public: 'true' })).status, 200);
  assert.deepEqual([await isSeen(), await all('open')], [true, { public: 'true' }]);
  assert.equal((await ask(server, 'DELETE', at('open', 'public'))).status, 200);
  assert.deepEqual([await isSeen(), await all('open')], [false, { public: 'false' }]);
});

for (const [what, body, status] of [
  ['nothing', undefined, 400],
  ['no pair', {}, 400],
  ['two pairs', { auto_scan: 'true', severity: 'low' }, 400],
  ['a key that there is not', { unknown: 'x' }, 400],
  ['a key of every object', { constructor: 'true' }, 400],
  ['a flag that is none', { auto_scan: 'maybe' }, 400],
  ['a severity that is none', { severity: 'awful' }, 400],
  ['a NUL', { severity: 'low\0' }, 400],
  ['a retention policy', { retention_id: '1' }, 400],
  ['a scanner', { projectScanner: 'x' }, 400],
  ['what is for caches', { proxy_speed_kb: '100' }, 400],
  ['a value that is no text', { auto_scan: true }, 422],
  ['a list', ['auto_scan'], 422],
] as const) {
  test(`adding ${what} is refused with ${status}`, async () => {
    const answer = await add('library', body);
    assert.equal(answer.status, status, answer.body.toString());
  });
}

test('a change says what the setting is to be, and of one that there is', async () => {
  for (const [key, body] of [
    ['auto_scan', undefined],
    ['auto_scan', { severity: 'low' }],
    ['auto_scan', { auto_scan: 'maybe' }],
    ['unknown', { unknown: 'x' }],
    ['retention_id', { retention_id: '1' }],
    ['hasOwnProperty', {}],
  ] as const)
    assert.equal((await set('library', key, body)).status, 400, key);
  assert.equal((await ask(server, 'DELETE', at('library', 'retention_id'))).status, 400);
  assert.deepEqual(json(await ask(server, 'GET', at('library', 'toString'))), {});
});

test('of many who add one setting at once, one succeeds', async () => {
  await createProject(server, 'raced');
  const answers = await Promise.all(Array.from({ length: 5 }, () => add('raced', { auto_scan: 'true' })));
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409, 409, 409, 409]);
});

test('no role sees all settings; administrators of the project change them, maintainers read each', async () => {
  const body = { auto_scan: 'true' };
  for (const [as, one, change, every] of [
    ['', 401, 401, 401],
    ['developer', 403, 403, 403],
    ['maintainer', 200, 403, 403],
    ['projectadmin', 200, 200, 403],
    [undefined, 200, 200, 200],
  ] as const) {
    const who = as === undefined ? {} : { as };
    const statusOf = async (method: string, path: string, more: object = {}) =>
      (await ask(server, method, path, { ...who, ...more })).status;
    assert.equal(await statusOf('GET', at('roles')), every, `${as}`);
    assert.equal(await statusOf('GET', at('roles', 'auto_scan')), one, `${as}`);
    assert.equal(await statusOf('POST', at('roles'), { body }), change, `${as}`);
    assert.equal(await statusOf('PUT', at('roles', 'auto_scan'), { body }), change, `${as}`);
    assert.equal(await statusOf('DELETE', at('roles', 'auto_scan')), change, `${as}`);
  }
  assert.equal((await ask(server, 'GET', at('missing'))).status, 404);
});
