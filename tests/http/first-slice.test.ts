import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { startServer } from '../server.ts';

const digestOf = (bytes: string) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

test('what was pushed is pulled back byte for byte, also after a kill -9', async (t) => {
  const server = await startServer(t);
  const config = '{}';
  const pushed = await server.fetch(`/v2/library/hello/blobs/uploads/?digest=${digestOf(config)}`, {
    method: 'POST',
    body: config,
  });
  assert.equal(pushed.status, 201);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const descriptor = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(config), size: 2 };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [descriptor] });
  const put = await server.fetch('/v2/library/hello/manifests/1.0', {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: manifest,
  });
  assert.equal(put.status, 201);

  await server.stop('SIGKILL');
  await server.start();

  const pulled = await server.fetch('/v2/library/hello/manifests/1.0', { headers: { authorization: '' } });
  assert.equal(pulled.status, 200);
  assert.equal(pulled.headers.get('content-type'), mediaType);
  assert.equal(await pulled.text(), manifest);
});
