import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { type BlobStore, UploadBusy, UploadNotFound } from '../../infra/blob-store/port.ts';
import { digestOfGenerated, generated } from '../generated-bytes.ts';
import { until } from '../until.ts';
import {
  begin,
  collect,
  digestOf,
  held,
  inPieces,
  type StartStore,
  type StoreUnderTest,
} from './blob-store.ts';
import { openStore } from './blob-store-child.ts';

/** Whatever was done until now is idle since then; stores tell the time with their own clocks. */
const soon = () => new Date(Date.now() + 60_000);
const long = () => new Date(Date.now() - 60_000);

/** The part of the suite on what is left behind, which every blob store passes. */
export function blobStoreExpiry(product: string, start: StartStore): void {
  function rule(
    name: string,
    check: (t: TestContext, store: BlobStore, run: StoreUnderTest) => Promise<void>,
  ) {
    test(`${product}: ${name}`, async (t) => {
      const run = await start(t);
      if (run === undefined) return;
      const store = await openStore(run.settings);
      t.after(() => store.close());
      await check(t, store, run);
    });
  }

  rule('an upload that was idle is dropped with its bytes, whatever its size', async (_, store, run) => {
    for (const size of [0, 10, 12 * 1024 * 1024]) {
      const id = await begin(store);
      await store.appendToUpload(id, 0, generated(1, size));
      assert.equal(await store.expireUpload(id, soon()), true);
      await assert.rejects(store.findUpload(id), UploadNotFound);
      await assert.rejects(store.expireUpload(id, soon()), UploadNotFound);
    }
    assert.deepEqual(await run.everything(), []);
  });

  rule('an upload that somebody was at work on since then is kept', async (_, store) => {
    const id = await begin(store);
    assert.equal(await store.expireUpload(id, long()), false);
    await store.appendToUpload(id, 0, generated(1, 10));
    assert.equal(await store.expireUpload(id, long()), false);
    assert.equal((await store.findUpload(id)).size, 10);
  });

  rule(
    'an upload that is being written to, or begun, is not dropped by the same process',
    async (_, store) => {
      const id = await begin(store);
      const slow = held(Buffer.from('abc'));
      const append = store.appendToUpload(id, 0, slow.source);
      await slow.begun;
      await assert.rejects(store.expireUpload(id, soon()), UploadBusy);
      slow.release();
      await append;
      assert.equal((await store.findUpload(id)).size, 3);

      const putting = held(Buffer.from('abc'));
      const put = store.put(digestOf(Buffer.from('abc')), putting.source);
      await putting.begun;
      for await (const upload of store.listUploads())
        if (upload.repository === '') await assert.rejects(store.expireUpload(upload.id, soon()), UploadBusy);
      putting.release();
      await put;
    },
  );

  rule(
    'a request whose client sends nothing keeps its upload alive for other processes',
    async (t, _, run) => {
      const store = await openStore({ ...run.settings, heartbeatMs: 5 });
      const other = await openStore(run.settings);
      t.after(() => Promise.all([store.close(), other.close()]));
      const id = await begin(store);
      const slow = held(Buffer.from('abc'));
      const append = store.appendToUpload(id, 0, slow.source);
      await slow.begun;
      const before = await activityOf(other, id);
      // Stores tell whole seconds.
      await until('the upload shows a later activity', async () => (await activityOf(other, id)) > before);
      assert.equal(await other.expireUpload(id, new Date(before)), false);
      slow.release();
      assert.equal(await append, 3);
    },
  );

  rule(
    'an upload that is dropped by several processes at once is dropped, and another one lives',
    async (t, store, run) => {
      const stores = [store, await openStore(run.settings), await openStore(run.settings)];
      t.after(() => Promise.all(stores.slice(1).map((each) => each.close())));
      const id = await begin(store);
      await store.appendToUpload(id, 0, generated(1, 6 * 1024 * 1024));
      const outcomes = await Promise.allSettled(stores.map((each) => each.expireUpload(id, soon())));
      assert.ok(outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value));
      for (const outcome of outcomes)
        if (outcome.status === 'rejected')
          assert.ok(outcome.reason instanceof UploadNotFound, outcome.reason);
      assert.deepEqual(await collect(store.listUploads()), []);
      assert.deepEqual(await run.everything(), []);
    },
  );

  rule('expiry and the end of an upload at once leave a whole blob or none', async (t, store, run) => {
    const other = await openStore(run.settings);
    t.after(() => other.close());
    for (const size of [1000, 6 * 1024 * 1024, 1000, 6 * 1024 * 1024]) {
      const id = await begin(store);
      await store.appendToUpload(id, 0, generated(2, size));
      const [finished] = await Promise.allSettled([
        store.finishUpload(id, digestOfGenerated(2, size)),
        other.expireUpload(id, soon()),
      ]);
      if (finished.status === 'rejected')
        assert.ok(finished.reason instanceof UploadNotFound, finished.reason);
      else
        assert.equal(
          digestOf(Buffer.concat(await collect(await store.open(finished.value.key)))),
          finished.value.digest,
        );
    }
  });

  rule('how an upload ended is remembered for every process until it is forgotten', async (t, store, run) => {
    const id = await begin(store);
    const bytes = Buffer.from('abc');
    await store.appendToUpload(id, 0, inPieces(bytes));
    const blob = await store.finishUpload(id, digestOf(bytes));
    assert.equal(await store.findFinished(id), undefined);
    const finished = { id, repository: 'library/nginx', projectId: 1, startedBy: 'user:alice', blob };
    await store.rememberFinished(finished);
    const other = await openStore(run.settings);
    t.after(() => other.close());
    for (const each of [store, other]) assert.deepEqual(await each.findFinished(id), finished);
    assert.deepEqual(await collect(store.listUploads()), []);
    assert.equal(await other.forgetFinished(long()), 0);
    assert.deepEqual(await store.findFinished(id), finished);
    assert.equal(await other.forgetFinished(soon()), 1);
    assert.equal(await store.findFinished(id), undefined);
    assert.equal(await store.forgetFinished(soon()), 0);
    await store.delete(blob.key);
    assert.deepEqual(await run.everything(), []);
  });

  rule('nothing is remembered of what is no upload', async (_, store) => {
    for (const id of [randomUUID(), '../blobs', '', 'a\0b'])
      assert.equal(await store.findFinished(id), undefined);
    const blob = { digest: digestOf(Buffer.alloc(0)), size: 0, key: 'x' };
    await assert.rejects(
      store.rememberFinished({ id: '../x', repository: 'a', projectId: 1, startedBy: 'b', blob }),
      TypeError,
    );
  });
}

async function activityOf(store: BlobStore, id: string): Promise<number> {
  for await (const upload of store.listUploads())
    if (upload.id === id) return upload.lastActivityAt.getTime();
  throw new Error(`the upload ${id} is not listed`);
}
