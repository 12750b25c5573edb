import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { addPrivateProject } from './accounts.ts';
import { digestOf, header, pushBlob, refusalOf, send } from './client.ts';
import { startOnS3 } from './s3-server.ts';

const redirecting = { SHIPLOG_STORAGE_SERVICE_REDIRECT_DISABLE: 'false' };

test('with redirects a permitted pull is sent to the bucket, by a URL that nobody keeps', async (t) => {
  const run = await startOnS3(t, redirecting);
  if (run === undefined) return;
  const { server, endpoint } = run;
  await addPrivateProject(t, server, { name: 'secret', projectId: 2 });
  for (const size of [0, 1000, 12_000_000]) {
    const bytes = randomBytes(size);
    const { digest } = await pushBlob(server, 'secret/redirect', bytes);
    const path = `/v2/secret/redirect/blobs/${digest}`;

    const answer = await send(server, 'GET', path);
    assert.deepEqual([answer.status, answer.body.length], [307, 0]);
    assert.equal(answer.headers['cache-control'], 'no-store');
    const location = header(answer, 'location');
    assert.equal(new URL(location).host, endpoint);
    const followed = await fetch(location);
    assert.equal(followed.status, 200);
    assert.ok(bytes.equals(Buffer.from(await followed.arrayBuffer())));
    if (size > 0) {
      const part = await fetch(location, { headers: { range: 'bytes=10-19' } });
      assert.equal(part.status, 206);
      assert.ok(bytes.subarray(10, 20).equals(Buffer.from(await part.arrayBuffer())));
      const ranged = await send(server, 'GET', path, { headers: { range: 'bytes=10-19' } });
      assert.equal(ranged.status, 307);
    }

    const head = await send(server, 'HEAD', path);
    assert.deepEqual([head.status, head.headers['content-length']], [200, String(size)]);
    assert.equal(head.headers['docker-content-digest'], digest);
    const unchanged = await send(server, 'GET', path, { headers: { 'if-none-match': `"${digest}"` } });
    assert.equal(unchanged.status, 304);
    const anonymous = await send(server, 'GET', path, { as: '' });
    assert.deepEqual(refusalOf(anonymous), [401, 'UNAUTHORIZED']);
    assert.equal(anonymous.headers.location, undefined);
  }
  const unknown = await send(server, 'GET', `/v2/secret/redirect/blobs/${digestOf('never pushed')}`);
  assert.deepEqual(refusalOf(unknown), [404, 'BLOB_UNKNOWN']);
  assert.doesNotMatch(JSON.stringify(server.lines), /x-amz-signature/i);
});

test('a bucket that nobody asked to redirect to is streamed from', async (t) => {
  const run = await startOnS3(t, {});
  if (run === undefined) return;
  const { digest } = await pushBlob(run.server, 'library/streamed', 'abc');
  const { status, body } = await send(run.server, 'GET', `/v2/library/streamed/blobs/${digest}`);
  assert.deepEqual([status, body.toString()], [200, 'abc']);
});

test('with redirects, blobs that are files are streamed all the same', async (t) => {
  const server = await startServer(t, { environment: redirecting });
  const { digest } = await pushBlob(server, 'library/files', 'abc');
  const { status, body } = await send(server, 'GET', `/v2/library/files/blobs/${digest}`);
  assert.deepEqual([status, body.toString()], [200, 'abc']);
});
