import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { environmentFor, runShiplog, startServer } from '../server.ts';

test('a second server on the same data is refused, names the first, and leaves it in peace', async (t) => {
  const server = await startServer(t);

  const second = await runShiplog(['serve'], environmentFor(server.dataDirectory));

  assert.equal(second.code, 1, second.output);
  assert.match(second.output, new RegExp(`in use by process ${server.pid()} on ${hostname()}`));
  assert.equal((await server.fetch('/readyz')).status, 200);
  assert.equal(await server.stop(), 0);
  await server.start();
  assert.equal((await server.fetch('/readyz')).status, 200);
});

test('the data of a server that was killed is free at once', async (t) => {
  const server = await startServer(t);
  await server.stop('SIGKILL');
  await server.start();
  assert.equal((await server.fetch('/readyz')).status, 200);
});
