import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { ask, createUser, faultOf, json, personOf } from './api-client.ts';
import { pushImage, send } from './client.ts';

const server = await startServer({ after });
await createUser(server, 'mira');
const { digest, manifest } = await pushImage(server, 'library/app', 'v1');
const upload = await send(server, 'POST', '/v2/library/app/blobs/uploads/');

const switchTo = async (read_only: boolean) => {
  const answer = await ask(server, 'PUT', '/configurations', { body: { read_only } });
  assert.equal(answer.status, 200, answer.body.toString());
};
await switchTo(true);

const denial = {
  code: 'DENIED',
  message: 'The system is in read only mode. Any modification is prohibited.',
};

for (const [method, path, body] of [
  ['POST', '/users', personOf('noor')],
  ['PUT', '/users/2', {}],
  ['DELETE', '/users/2', undefined],
  ['POST', '/projects', { project_name: 'new' }],
  ['PATCH', '/robots/1', {}],
  ['DELETE', '/configurations', undefined],
] as const)
  for (const as of [undefined, 'mira', ''])
    test(`${method} ${path} is denied to ${as ?? 'the administrator'}`, async () => {
      const answer = await ask(server, method, path, {
        ...(body !== undefined && { body }),
        ...(as !== undefined && { as }),
      });
      assert.deepEqual([answer.status, faultOf(answer)], [403, denial]);
    });

for (const [method, path, body] of [
  ['POST', '/v2/library/app/blobs/uploads/', ''],
  ['PATCH', String(upload.headers.location), 'some bytes'],
  ['PUT', `${upload.headers.location}?digest=${digest}`, ''],
  ['PUT', '/v2/library/app/manifests/v2', manifest],
  ['DELETE', '/v2/library/app/manifests/v1', ''],
  ['DELETE', `/v2/library/app/manifests/${digest}`, ''],
] as const)
  test(`${method} ${path.split('?')[0]?.replace(/[0-9a-f-]{36}/, '<upload>')} is denied`, async () => {
    const answer = await send(server, method, path, { body });
    assert.equal(answer.status, 403);
    assert.deepEqual(faultOf(answer), denial);
  });

test('everything can be read, and clients log in', async () => {
  assert.equal((await send(server, 'GET', '/v2/library/app/manifests/v1', { as: '' })).status, 200);
  assert.equal((await send(server, 'HEAD', `/v2/library/app/manifests/${digest}`)).status, 200);
  assert.equal((await send(server, 'GET', '/service/token?service=harbor-registry')).status, 200);
  const form = 'grant_type=password&service=harbor-registry&username=mira&password=Passw0rd-of-a-test';
  const granted = await send(server, 'POST', '/service/token', { as: '', body: form });
  assert.equal(granted.status, 200, granted.body.toString());
  assert.equal((await ask(server, 'GET', '/projects')).status, 200);
  assert.equal((await ask(server, 'GET', '/ping')).status, 200);
  assert.equal(json(await ask(server, 'GET', '/systeminfo')).read_only, true);
});

test('only administrators end it', async () => {
  for (const [as, status] of [
    ['mira', 403],
    ['', 401],
  ] as const) {
    const answer = await ask(server, 'PUT', '/configurations', { as, body: { read_only: false } });
    assert.equal(answer.status, status);
    assert.notEqual(faultOf(answer).code, 'DENIED');
  }
});

test('what was uploaded before goes on after', async () => {
  await switchTo(false);
  const sent = await send(server, 'PATCH', String(upload.headers.location), { body: 'some bytes' });
  assert.equal(sent.status, 202, sent.body.toString());
  await pushImage(server, 'library/app', 'v3', 'later');
  assert.equal((await ask(server, 'POST', '/users', { body: personOf('noor') })).status, 201);
});
