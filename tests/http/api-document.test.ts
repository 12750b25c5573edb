import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { ask } from './api-client.ts';
import { documentOf } from './api-document.ts';
import { send } from './client.ts';

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

test('every method of the document is served', async () => {
  for (const { path, method } of operations) {
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => (name.endsWith('id') ? '999999' : 'none'));
    const answer = await ask(server, method.toUpperCase(), filled, { as: '' });
    assert.notEqual(answer.status, 405, `${method} ${path}`);
    if (answer.status === 404)
      assert.doesNotMatch(answer.body.toString(), /path .* was not found/, `${method} ${path}`);
  }
});

test('the reference page shows every operation, and nothing of it comes from elsewhere', async () => {
  const answer = await send(server, 'GET', '/api/v2.0/reference', { as: '' });
  assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
  assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
  const page = answer.body.toString();
  for (const { operationId } of operations) assert.ok(page.includes(`id="${operationId}"`), operationId);
  assert.doesNotMatch(page, /<script|<link|<img|https?:/);
});
