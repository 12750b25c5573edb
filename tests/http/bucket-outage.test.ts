import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { digestOf, header, pushBlob, pushImage, refusalOf, send, startUpload } from './client.ts';
import { startOnS3 } from './s3-server.ts';

const repository = 'library/outage';
const uploads = `/v2/${repository}/blobs/uploads/`;

test('while the bucket is away nothing passes for stored or read, and what was begun goes on after it', async (t) => {
  const run = await startOnS3(t);
  if (run === undefined) return;
  const { server, proxy } = run;
  const kept = await pushBlob(server, repository, randomBytes(1000));
  const image = await pushImage(server, repository, 'kept');
  const bytes = randomBytes(12_000_000);
  const digest = digestOf(bytes);
  const location = await startUpload(server, repository);
  const first = await send(server, 'PATCH', location, { body: bytes.subarray(0, 1000) });
  assert.equal(first.headers.range, '0-999');

  proxy.decide = () => 'refuse';
  const refused = [
    await send(server, 'POST', uploads),
    await send(server, 'POST', `${uploads}?digest=${digestOf('x')}`, { body: 'x' }),
    await send(server, 'PATCH', location, { body: bytes.subarray(1000) }),
    await send(server, 'PUT', `${location}?digest=${digest}`, { body: bytes.subarray(1000) }),
    await send(server, 'GET', `/v2/${repository}/blobs/${kept.digest}`),
    await send(server, 'PUT', `/v2/${repository}/manifests/other`, {
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      body: `${image.manifest} `,
    }),
  ];
  for (const answer of refused) {
    assert.deepEqual(refusalOf(answer), [503, 'UNAVAILABLE']);
    assert.match(header(answer, 'retry-after'), /^[1-9]\d*$/);
    assert.equal(answer.headers['docker-content-digest'], undefined);
  }

  proxy.decide = () => 'pass';
  for (const absent of [digest, digestOf('x')])
    assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${absent}`)).status, 404);
  assert.equal((await send(server, 'HEAD', `/v2/${repository}/manifests/other`)).status, 404);
  const { range } = (await send(server, 'GET', location)).headers;
  const end = Number(String(range).split('-')[1]) + 1;
  assert.ok(end >= 1000, 'what was acknowledged is there');
  const rest = { headers: { 'content-range': `${end}-${bytes.length - 1}` }, body: bytes.subarray(end) };
  assert.equal((await send(server, 'PUT', `${location}?digest=${digest}`, rest)).status, 201);
  const pulled = await send(server, 'GET', `/v2/${repository}/blobs/${digest}`);
  assert.ok(pulled.body.equals(bytes));
});

test('a bucket that breaks off in the middle of a blob ends the connection, and never passes for its end', async (t) => {
  const run = await startOnS3(t);
  if (run === undefined) return;
  const { server, proxy } = run;
  const bytes = randomBytes(3_000_000);
  const { digest } = await pushBlob(server, repository, bytes);
  const path = `/v2/${repository}/blobs/${digest}`;
  proxy.decide = (method) => (method === 'GET' ? 'cut' : 'pass');
  await assert.rejects(send(server, 'GET', path), { code: 'ECONNRESET' });
  proxy.decide = () => 'pass';
  assert.ok((await send(server, 'GET', path)).body.equals(bytes));
});
