import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openFilesystemStore } from '../../infra/blob-store/filesystem.ts';
import { startServer } from '../server.ts';
import { addUser } from './accounts.ts';
import { type Answer, digestOf, header, lastingHeaders, refusalOf, send, startUpload } from './client.ts';
import { bearer, tokenFor } from './token-client.ts';

const server = await startServer({ after });
const repository = 'library/repeat';
const unknown = [404, 'BLOB_UPLOAD_UNKNOWN'];
const other = await addUser({ after }, server, { username: 'other', userId: 2, administrator: true });

/** What is the same whenever the same request is answered. */
const essence = (answer: Answer) => ({
  status: answer.status,
  headers: lastingHeaders(answer),
  body: answer.body.toString(),
});

async function finished(bytes = randomBytes(1000)) {
  const location = await startUpload(server, repository);
  await send(server, 'PATCH', location, { body: bytes });
  const path = `${location}?digest=${digestOf(bytes)}`;
  const first = await send(server, 'PUT', path);
  assert.equal(first.status, 201);
  return { location, path, first, bytes, digest: digestOf(bytes) };
}

test('a closing PUT that is sent again is answered as the first one was', async () => {
  const { path, first } = await finished();
  for (let time = 0; time < 3; time++)
    assert.deepEqual(essence(await send(server, 'PUT', path)), essence(first));
});

test('a closing PUT with the whole body may be sent again as well', async () => {
  const body = randomBytes(3_000_000);
  const path = `${await startUpload(server, repository)}?digest=${digestOf(body)}`;
  const first = await send(server, 'PUT', path, { body });
  assert.equal(first.status, 201);
  assert.deepEqual(essence(await send(server, 'PUT', path, { body })), essence(first));
});

test('a closing PUT may be sent again after a kill -9 and a restart', async (t) => {
  const server = await startServer(t);
  const bytes = randomBytes(1000);
  const path = `${await startUpload(server, repository)}?digest=${digestOf(bytes)}`;
  const first = await send(server, 'PUT', path, { body: bytes });
  assert.equal(first.status, 201);
  await server.stop('SIGKILL');
  await server.start();
  assert.deepEqual(essence(await send(server, 'PUT', path, { body: bytes })), essence(first));
});

test('only the same digest, in the same repository and by the same account is a repeated request', async () => {
  const { location, path, digest } = await finished();
  const inOther = path.replace(repository, 'library/other');
  assert.deepEqual(refusalOf(await send(server, 'PUT', inOther)), unknown);
  assert.deepEqual(refusalOf(await send(server, 'PUT', path, { as: other })), unknown);
  const queries = [`?digest=${digestOf('x')}`, '', '?digest=', `?digest=${digest}&digest=${digest}`];
  for (const query of queries)
    assert.deepEqual(refusalOf(await send(server, 'PUT', `${location}${query}`)), unknown, query);
});

test('a finished upload is over for everything but its closing PUT', async () => {
  const { location, path } = await finished();
  for (const method of ['GET', 'PATCH', 'DELETE'])
    assert.deepEqual(refusalOf(await send(server, method, location)), unknown, method);
  assert.equal((await send(server, 'PUT', path)).status, 201);
});

test('an upload that was cancelled, or whose bytes were others, is not taken for a finished one', async () => {
  const bytes = randomBytes(100);
  const cancelled = await startUpload(server, repository);
  await send(server, 'DELETE', cancelled);
  assert.deepEqual(refusalOf(await send(server, 'PUT', `${cancelled}?digest=${digestOf(bytes)}`)), unknown);

  const { digest } = await finished(bytes);
  const wrong = await startUpload(server, repository);
  assert.equal((await send(server, 'PUT', `${wrong}?digest=${digest}`, { body: 'x' })).status, 400);
  assert.deepEqual(refusalOf(await send(server, 'PUT', `${wrong}?digest=${digest}`)), unknown);
});

test('closing PUTs at once store one blob, and each that is not the first is told the same or nothing', async () => {
  for (let round = 0; round < 5; round++) {
    const bytes = randomBytes(200_000);
    const location = await startUpload(server, repository);
    await send(server, 'PATCH', location, { body: bytes });
    const path = `${location}?digest=${digestOf(bytes)}`;
    const answers = await Promise.all(Array.from({ length: 6 }, () => send(server, 'PUT', path)));
    const statuses = answers.map(({ status }) => status);
    assert.ok(statuses.includes(201));
    assert.ok(
      statuses.every((status) => status === 201 || status === 404),
      String(statuses),
    );
    assert.ok(
      (await send(server, 'GET', header(await send(server, 'PUT', path), 'location'))).body.equals(bytes),
    );
  }
});

test('a closing PUT whose bytes were stored but not recorded is made good when it is sent again', async (t) => {
  // As a process leaves it that dies between the two.
  const store = await openFilesystemStore({ directory: join(server.dataDirectory, 'blobs') });
  t.after(() => store.close());
  const bytes = randomBytes(1000);
  const location = await startUpload(server, repository);
  await send(server, 'PATCH', location, { body: bytes });
  const id = location.split('/').at(-1) ?? '';
  const blob = await store.finishUpload(id, digestOf(bytes) as never);
  await store.rememberFinished({ id, repository, projectId: 1, startedBy: 'user:admin', blob });
  assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${digestOf(bytes)}`)).status, 404);

  const answer = await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`);

  assert.equal(answer.status, 201);
  assert.ok((await send(server, 'GET', header(answer, 'location'))).body.equals(bytes));
});

test('a closing PUT whose bytes are gone again is not answered as if they were there', async (t) => {
  const store = await openFilesystemStore({ directory: join(server.dataDirectory, 'blobs') });
  t.after(() => store.close());
  const bytes = randomBytes(1000);
  const location = await startUpload(server, repository);
  const id = location.split('/').at(-1) ?? '';
  await send(server, 'PATCH', location, { body: bytes });
  const blob = await store.finishUpload(id, digestOf(bytes) as never);
  await store.rememberFinished({ id, repository, projectId: 1, startedBy: 'user:admin', blob });
  await store.delete(blob.key);

  const answer = await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`);

  assert.deepEqual(refusalOf(answer), unknown);
});

test('a closing PUT that is sent again does not bring back what was deleted here, though another repository holds it', async () => {
  const { path, digest } = await finished();
  const mounted = await send(
    server,
    'POST',
    `/v2/library/holds-it-too/blobs/uploads/?mount=${digest}&from=${repository}`,
  );
  assert.equal(mounted.status, 201);
  assert.equal((await send(server, 'DELETE', `/v2/${repository}/blobs/${digest}`)).status, 202);
  assert.deepEqual(refusalOf(await send(server, 'PUT', path)), unknown);
  assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${digest}`)).status, 404);
});

test('an upload is unknown to every account but the one that opened it, and is not harmed by the others', async () => {
  const bytes = randomBytes(1000);
  const location = await startUpload(server, repository);
  await send(server, 'PATCH', location, { body: bytes.subarray(0, 500) });
  const put = `${location}?digest=${digestOf(bytes)}`;
  const never = location.replace(/[^/]+$/, '0198c9a2-6a0e-4f1e-9a43-7d5a3d9c5a11');
  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
    const theirs = await send(server, method, method === 'PUT' ? put : location, { as: other });
    const nobodys = await send(
      server,
      method,
      method === 'PUT' ? `${never}?digest=${digestOf(bytes)}` : never,
      {
        as: other,
      },
    );
    assert.deepEqual(refusalOf(theirs), unknown, method);
    assert.deepEqual(essence(theirs), essence(nobodys), method);
  }
  assert.equal((await send(server, 'PUT', put, { body: bytes.subarray(500) })).status, 201);
});

test('an account has the same uploads whether it comes with its password or with a token', async () => {
  const token = bearer(await tokenFor(server, repository, 'pull,push', `admin:${server.password}`));
  const bytes = randomBytes(1000);
  const location = await startUpload(server, repository);
  const patched = await send(server, 'PATCH', location, { ...token, body: bytes.subarray(0, 500) });
  assert.equal(patched.status, 202);
  const path = `${location}?digest=${digestOf(bytes)}`;
  const first = await send(server, 'PUT', path, { body: bytes.subarray(500) });
  assert.equal(first.status, 201);
  assert.deepEqual(essence(await send(server, 'PUT', path, token)), essence(first));
});

test('a closing PUT is not answered as before when its blob was deleted since, even if its bytes are still there', async () => {
  const { path, digest, bytes } = await finished();
  const hex = digest.slice('sha256:'.length);
  const folder = join(server.dataDirectory, 'blobs', 'blobs', 'sha256', hex.slice(0, 2), hex);
  const [name = ''] = await readdir(folder);
  assert.equal((await send(server, 'DELETE', `/v2/${repository}/blobs/${digest}`)).status, 202);
  assert.deepEqual(refusalOf(await send(server, 'PUT', path)), unknown);
  // As for the moment between the event and the removal of the bytes.
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), bytes);
  assert.deepEqual(refusalOf(await send(server, 'PUT', path)), unknown);
  assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${digest}`)).status, 404);

  const again = await send(server, 'POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
    body: bytes,
  });
  assert.equal(again.status, 201);
  await rm(join(folder, name));
  assert.ok((await send(server, 'GET', `/v2/${repository}/blobs/${digest}`)).body.equals(bytes));
  assert.equal((await send(server, 'PUT', path)).status, 201);
});
