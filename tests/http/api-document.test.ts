import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { ask } from './api-client.ts';
import { documentOf } from './api-document.ts';
import { send } from './client.ts';
import { servedOperations } from './harbor-operations.ts';

const server = await startServer({ after });
const document = await documentOf(server);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
);

test('the document of the API is for everybody, and names each operation once', async () => {
  const ids = operations.map(({ operationId }) => operationId);
  assert.deepEqual(ids.toSorted(), [...new Set(ids)].toSorted());
  assert.ok(ids.includes('getPing') && ids.includes('createUser'));
});

const known = new Set(
  operations.map(({ operationId, method, path }) => `${operationId} ${method.toUpperCase()} ${path}`),
);

test('every operation of Harbor is served under its own name', () => {
  assert.deepEqual(
    servedOperations.filter((each) => !known.has(each)),
    [],
  );
  assert.equal(new Set(servedOperations).size, 203);
});

test('every method of the document is served', async () => {
  for (const { path, method } of operations) {
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => (name.endsWith('id') ? '999999' : 'none'));
    const answer = await ask(server, method.toUpperCase(), filled, { as: '' });
    assert.notEqual(answer.status, 405, `${method} ${path}`);
    if (answer.status === 404)
      assert.doesNotMatch(answer.body.toString(), /path .* was not found/, `${method} ${path}`);
  }
});

test('who takes another form than that of the answer is refused with 406, whatever else he may', async () => {
  const statusOf = async (accept: string, path = '/systeminfo') =>
    (await ask(server, 'GET', path, { as: '', headers: { accept } })).status;
  for (const accept of ['application/xml', 'text/*', 'application/json;q=0', 'nonsense'])
    assert.equal(await statusOf(accept), 406, accept);
  for (const accept of [
    '*/*',
    'application/*',
    'text/html, application/JSON;q=0.5',
    '',
    'text/html,*/*;q=0.1',
  ])
    assert.equal(await statusOf(accept), 200, accept);
  assert.deepEqual(
    [await statusOf('text/plain', '/ping'), await statusOf('application/json', '/ping')],
    [200, 200],
  );
});

test('where Harbor has its explorer of the API is the way to the reference page', async () => {
  const answer = await send(server, 'GET', '/devcenter-api-2.0', { as: '' });
  assert.deepEqual([answer.status, answer.headers.location], [302, '/api/v2.0/reference']);
});

test('the reference page shows every operation, and nothing of it comes from elsewhere', async () => {
  const answer = await send(server, 'GET', '/api/v2.0/reference', { as: '' });
  assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
  assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
  const page = answer.body.toString();
  for (const { operationId } of operations) assert.ok(page.includes(`id="${operationId}"`), operationId);
  assert.doesNotMatch(page, /<script|<link|<img|https?:/);
});
