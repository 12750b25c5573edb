import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startGateways } from '../gateways.ts';
import type { TestServer } from '../server.ts';
import { type Answer, digestOf, header, lastingHeaders, refusalOf, send, startUpload } from './client.ts';

const repository = 'library/two';
const open = (server: TestServer) => send(server, 'POST', `/v2/${repository}/blobs/uploads/`);

const essence = (answer: Answer) => ({
  status: answer.status,
  headers: lastingHeaders(answer),
  body: answer.body.toString(),
});

test('two gateways on one database and one blob store share their uploads', async (t) => {
  const { one, other, blobs } = await startGateways(t, { SHIPLOG_UPLOADS_MAX_OPEN: '4' });
  const isEmpty = async () => (await readdir(join(blobs, 'uploads'))).length === 0;

  await t.test('an upload goes on at either, and its end is known to both', async () => {
    const bytes = randomBytes(3_000_000);
    const location = await startUpload(one, repository);
    await send(one, 'PATCH', location, { body: bytes.subarray(0, 1_000_000) });
    const onward = await send(other, 'PATCH', location, { body: bytes.subarray(1_000_000, 2_000_000) });
    assert.deepEqual([onward.status, onward.headers.range], [202, '0-1999999']);
    const path = `${location}?digest=${digestOf(bytes)}`;
    const first = await send(one, 'PUT', path, { body: bytes.subarray(2_000_000) });
    assert.equal(first.status, 201);
    for (const gateway of [other, one, other])
      assert.deepEqual(essence(await send(gateway, 'PUT', path)), essence(first));
    assert.ok((await send(other, 'GET', header(first, 'location'))).body.equals(bytes));
    assert.ok(await isEmpty());
  });

  await t.test(
    'an upload that is closed at both at once is one blob, and each is told so or nothing',
    async () => {
      for (let round = 0; round < 5; round++) {
        const bytes = randomBytes(500_000);
        const location = await startUpload(one, repository);
        await send(round % 2 === 0 ? one : other, 'PATCH', location, { body: bytes });
        const path = `${location}?digest=${digestOf(bytes)}`;
        const answers = await Promise.all([one, other, one, other].map((each) => send(each, 'PUT', path)));
        const statuses = answers.map(({ status }) => status);
        assert.ok(statuses.includes(201), String(statuses));
        assert.ok(
          statuses.every((status) => status === 201 || status === 404),
          String(statuses),
        );
        const { body } = await send(other, 'GET', `/v2/${repository}/blobs/${digestOf(bytes)}`);
        assert.ok(body.equals(bytes));
        const hex = digestOf(bytes).slice('sha256:'.length);
        const kept = await readdir(join(blobs, 'blobs', 'sha256', hex.slice(0, 2), hex));
        assert.equal(kept.length, 1, 'the bytes are kept once');
      }
      assert.ok(await isEmpty());
    },
  );

  await t.test('chunks that are written at both at once never make a blob of other bytes', async () => {
    const [mine, theirs] = [randomBytes(400_000), randomBytes(300_000)];
    const location = await startUpload(one, repository);
    const headers = (bytes: Buffer) => ({ 'content-range': `0-${bytes.length - 1}` });
    await Promise.all([
      send(one, 'PATCH', location, { body: mine, headers: headers(mine) }),
      send(other, 'PATCH', location, { body: theirs, headers: headers(theirs) }),
    ]);
    for (const bytes of [mine, theirs]) {
      const { status } = await send(one, 'PUT', `${location}?digest=${digestOf(bytes)}`);
      assert.ok([201, 400, 404].includes(status), String(status));
      const blob = await send(other, 'GET', `/v2/${repository}/blobs/${digestOf(bytes)}`);
      if (status === 201) assert.ok(blob.body.equals(bytes));
      else assert.equal(blob.status, 404);
    }
  });

  await t.test('uploads that were ended at one may be opened again at the other', async () => {
    const opened = await Promise.all(Array.from({ length: 4 }, () => open(one)));
    assert.deepEqual(refusalOf(await open(one)), [429, 'TOOMANYREQUESTS']);
    for (const each of opened)
      assert.equal((await send(other, 'DELETE', header(each, 'location'))).status, 204);
    // The other has opened none yet, and knows that there are none.
    const again = await Promise.all(Array.from({ length: 4 }, () => open(other)));
    assert.deepEqual(
      again.map(({ status }) => status),
      [202, 202, 202, 202],
    );
    assert.deepEqual(refusalOf(await open(other)), [429, 'TOOMANYREQUESTS']);
    for (const each of again) await send(one, 'DELETE', header(each, 'location'));
  });
});
