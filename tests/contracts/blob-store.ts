import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Digest, type DigestAlgorithm, digestFrom } from '../../domain/digest.ts';
import {
  BlobNotFound,
  type BlobStore,
  type ByteRange,
  DigestMismatch,
  OffsetMismatch,
  type Upload,
  UploadBusy,
  UploadExists,
  UploadNotFound,
} from '../../infra/blob-store/port.ts';
import { bytesOf, digestOfGenerated, generated } from '../generated-bytes.ts';
import { openStore, type StoreSettings } from './blob-store-child.ts';
import { storeLarge, surviveKills } from './blob-store-crash.ts';

/** An empty store of one test. */
export interface StoreUnderTest {
  readonly settings: StoreSettings;
  /** How often a process is killed at work. */
  readonly kills: number;
  /** The size of the large blob where there is time and room for it. */
  readonly largeBytes: number;
  /** Puts things among the blobs that no Shiplog wrote. */
  plantStrays(): Promise<void>;
  /** The names of all that the medium holds, also of what no method of the store shows. */
  everything(): Promise<readonly string[]>;
}

/** Resolves to undefined after it has skipped the test. */
export type StartStore = (t: TestContext) => Promise<StoreUnderTest | undefined>;

const attributes = { repository: 'library/nginx', projectId: 1, startedBy: 'user:alice' };
/** Above the size of a part in S3, which the runs set to 5 MiB. */
const several = 12 * 1024 * 1024 + 345;
const MiB = 1024 * 1024;

export const digestOf = (bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest =>
  digestFrom(algorithm, createHash(algorithm).update(bytes).digest('hex'));

export async function* inPieces(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export async function read(store: BlobStore, key: string, range?: ByteRange): Promise<Buffer> {
  return Buffer.concat(await collect<Buffer>(await store.open(key, range)));
}

export async function begin(store: BlobStore): Promise<string> {
  const id = randomUUID();
  await store.createUpload(id, attributes);
  return id;
}

/** A source that yields `bytes` and then waits until it is released, and possibly fails then. */
export function held(bytes: Uint8Array) {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  async function* source(): AsyncGenerator<Uint8Array> {
    yield bytes;
    begun.resolve();
    await end.promise;
  }
  return { source: source(), begun: begun.promise, release: () => end.resolve(), fail: end.reject };
}

export async function keysOf(store: BlobStore): Promise<string[]> {
  return (await collect(store.list())).map(({ key }) => key).sort();
}

/** The suite that every blob store passes. */
export function blobStoreContract(product: string, start: StartStore): void {
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

  rule('a blob that was put can be read, measured and listed', async (_, store) => {
    const before = Date.now();
    for (const [seed, size] of [1, 1000, several].entries()) {
      const bytes = bytesOf(seed, size);
      const stored = await store.put(digestOf(bytes), generated(seed, size));
      assert.deepEqual({ ...stored, key: '' }, { digest: digestOf(bytes), size, key: '' });
      const hex = digestOf(bytes).slice('sha256:'.length);
      assert.match(stored.key, new RegExp(`^sha256/${hex.slice(0, 2)}/${hex}/[0-9a-z]{32,40}$`));
      assert.ok((await read(store, stored.key)).equals(bytes));
      assert.equal(await store.size(stored.key), size);
      const listed = (await collect(store.list())).find(({ key }) => key === stored.key);
      assert.equal(listed?.digest, stored.digest);
      // Some stores tell whole seconds.
      assert.ok(listed.storedAt.getTime() >= before - 2000 && listed.storedAt.getTime() <= Date.now() + 2000);
    }
  });

  rule('a store that is there says so', async (_, store) => {
    await store.check();
  });

  rule('an empty blob is a blob, of either algorithm and by either way', async (_, store) => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const digest = digestOf(Buffer.alloc(0), algorithm);
      const id = await begin(store);
      const finished = await store.finishUpload(id, digest);
      const other = await begin(store);
      assert.equal(await store.appendToUpload(other, 0, inPieces(Buffer.alloc(0))), 0);
      for (const stored of [
        await store.put(digest, inPieces()),
        await store.put(digest, inPieces(Buffer.alloc(0))),
        finished,
        await store.finishUpload(other, digest),
      ]) {
        assert.equal(stored.size, 0);
        assert.equal(await store.size(stored.key), 0);
        assert.equal((await read(store, stored.key)).length, 0);
      }
    }
    assert.equal((await keysOf(store)).length, 8);
  });

  rule('a put under the wrong digest is refused and leaves nothing', async (_, store, run) => {
    const wrong = digestOf(Buffer.from('something else'));
    for (const size of [0, 10, several]) {
      await assert.rejects(store.put(wrong, generated(1, size)), (error) => {
        assert.ok(error instanceof DigestMismatch);
        assert.equal(error.expected, wrong);
        assert.equal(error.actual, digestOfGenerated(1, size));
        return true;
      });
    }
    assert.deepEqual(await run.everything(), []);
    assert.deepEqual(await collect(store.listUploads()), []);
  });

  rule('a put whose source fails passes the failure on and leaves nothing', async (_, store, run) => {
    for (const size of [0, 10, several]) {
      const broken = new Error('the client went away');
      async function* source() {
        yield* generated(1, size);
        throw broken;
      }
      await assert.rejects(store.put(digestOfGenerated(1, size), source()), (error) => error === broken);
    }
    assert.deepEqual(await run.everything(), []);
  });

  rule('a put under sha512 keeps that digest', async (_, store) => {
    for (const size of [100, several]) {
      const stored = await store.put(digestOfGenerated(2, size, 'sha512'), generated(2, size));
      assert.match(stored.key, /^sha512\/([0-9a-f]{2})\/\1[0-9a-f]{126}\//);
      assert.equal(digestOf(await read(store, stored.key), 'sha512'), stored.digest);
    }
  });

  rule('two puts of one digest at once are two blobs, and each outlives the other', async (_, store) => {
    const bytes = bytesOf(3, 5000);
    const put = () => store.put(digestOf(bytes), inPieces(bytes));
    const [first, second] = await Promise.all([put(), put()]);
    assert.notEqual(first.key, second.key);
    await store.delete(first.key);
    assert.ok((await read(store, second.key)).equals(bytes));
    assert.deepEqual(await keysOf(store), [second.key]);
  });

  rule('fifty puts at once are all stored', async (_, store) => {
    const stored = await Promise.all(
      Array.from({ length: 50 }, (_, seed) =>
        store.put(digestOfGenerated(seed, seed * 997), generated(seed, seed * 997)),
      ),
    );
    for (const { key, digest } of stored) assert.equal(digestOf(await read(store, key)), digest);
    assert.deepEqual(await keysOf(store), stored.map(({ key }) => key).sort());
  });

  rule('puts and deletes of one digest at once do not hinder each other', async (_, store) => {
    const bytes = Buffer.from('{}');
    const rounds = Array.from({ length: 8 }, async () => {
      for (let round = 0; round < 10; round++) {
        const { key } = await store.put(digestOf(bytes), inPieces(bytes));
        assert.ok((await read(store, key)).equals(bytes));
        await store.delete(key);
      }
    });
    await Promise.all(rounds);
    assert.deepEqual(await keysOf(store), []);
  });

  rule('a range reads exactly the bytes from its start to its end', async (_, store) => {
    for (const size of [1000, several]) {
      const bytes = bytesOf(4, size);
      const { key } = await store.put(digestOf(bytes), generated(4, size));
      for (const [start, end] of [
        [0, 0],
        [size - 1, size - 1],
        [1, size - 2],
        [333, 666],
        [0, size - 1],
      ] as const)
        assert.ok((await read(store, key, { start, end })).equals(bytes.subarray(start, end + 1)));
    }
  });

  rule('a range beyond the end is an error, never a short read', async (_, store) => {
    const { key } = await store.put(digestOfGenerated(4, 1000), generated(4, 1000));
    await assert.rejects(read(store, key, { start: 0, end: 1000 }), { name: 'StoreUnavailable' });
    await assert.rejects(read(store, key, { start: 1000, end: 1001 }), { name: 'StoreUnavailable' });
  });

  rule('many readers of one blob get the same bytes', async (_, store) => {
    const { key, digest } = await store.put(digestOfGenerated(5, several), generated(5, several));
    const copies = await Promise.all(Array.from({ length: 8 }, () => read(store, key)));
    for (const copy of copies) assert.equal(digestOf(copy), digest);
  });

  rule('a reader that goes away early leaves the store at work', async (_, store) => {
    const { key, digest } = await store.put(digestOfGenerated(5, several), generated(5, several));
    for (let round = 0; round < 20; round++) {
      const stream = await store.open(key);
      for await (const _ of stream) break;
      assert.ok(stream.destroyed);
      (await store.open(key)).destroy();
    }
    assert.equal(digestOf(await read(store, key)), digest);
  });

  rule('what was never stored is not found', async (_, store) => {
    const { key, digest } = await store.put(digestOfGenerated(6, 10), generated(6, 10));
    const [, , hex] = key.split('/');
    const unknown = [
      `sha256/${hex?.slice(0, 2)}/${hex}/${'0'.repeat(32)}`,
      `sha256/${hex?.slice(0, 2)}/${hex}/p${'0'.repeat(32)}`,
      `sha256/00/${hex}/${'0'.repeat(32)}`,
      `../${key}`,
      `${key}/../../..`,
      `sha256/${hex?.slice(0, 2)}/${hex}/..`,
      `/${key}`,
      key.toUpperCase(),
      digest,
      '',
    ];
    for (const each of unknown) {
      await assert.rejects(store.open(each), BlobNotFound);
      await assert.rejects(store.size(each), BlobNotFound);
      await store.delete(each);
    }
    assert.deepEqual(await keysOf(store), [key]);
  });

  rule('a deleted blob is gone, and deleting it again is no error', async (_, store, run) => {
    for (const size of [0, 10, several]) {
      const { key } = await store.put(digestOfGenerated(7, size), generated(7, size));
      await store.delete(key);
      await store.delete(key);
      await assert.rejects(store.open(key), BlobNotFound);
      await assert.rejects(store.size(key), BlobNotFound);
    }
    assert.deepEqual(await run.everything(), []);
  });

  rule('a listing skips what Shiplog did not write', async (_, store, run) => {
    const stored = await store.put(digestOfGenerated(8, 10), generated(8, 10));
    const id = await begin(store);
    await run.plantStrays();
    assert.deepEqual(await keysOf(store), [stored.key]);
    assert.deepEqual(
      (await collect(store.listUploads())).map((upload) => upload.id),
      [id],
    );
  });

  rule('a listing that is left early leaves the store at work', async (_, store) => {
    for (let seed = 0; seed < 5; seed++) await store.put(digestOfGenerated(seed, 10), generated(seed, 10));
    for await (const _ of store.list()) break;
    assert.equal((await keysOf(store)).length, 5);
  });

  rule('an upload is told as it was created, with its size and its last activity', async (_, store) => {
    const before = Date.now() - 2000;
    const id = await begin(store);
    const created = await store.findUpload(id);
    const expect = (upload: Upload | undefined, size: number) => {
      assert.deepEqual({ ...upload, lastActivityAt: 0 }, { ...attributes, id, size, lastActivityAt: 0 });
    };
    expect(created, 0);
    assert.ok(created.lastActivityAt.getTime() >= before);
    await store.appendToUpload(id, 0, inPieces(Buffer.from('abc')));
    const appended = await store.findUpload(id);
    expect(appended, 3);
    assert.ok(appended.lastActivityAt >= created.lastActivityAt);
    assert.ok(appended.lastActivityAt.getTime() <= Date.now() + 2000);
    const listed = await collect(store.listUploads());
    assert.equal(listed.length, 1);
    expect(listed[0], 3);
  });

  rule('an upload can not be created twice', async (_, store) => {
    const id = await begin(store);
    await store.appendToUpload(id, 0, inPieces(Buffer.from('abc')));
    await assert.rejects(store.createUpload(id, attributes), UploadExists);
    assert.equal((await store.findUpload(id)).size, 3);
  });

  rule('an upload in pieces of any size becomes the blob of all of them', async (_, store, run) => {
    const sizes = [1, 3 * MiB, 6 * MiB, 5 * MiB, 0, 10, 65_536];
    const total = sizes.reduce((sum, size) => sum + size);
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const id = await begin(store);
      let end = 0;
      for (const size of sizes) {
        assert.equal(await store.appendToUpload(id, end, generated(9, end + size, end)), end + size);
        end += size;
        assert.equal((await store.findUpload(id)).size, end);
      }
      const stored = await store.finishUpload(id, digestOfGenerated(9, total, algorithm));
      assert.equal(stored.size, total);
      assert.equal(await store.size(stored.key), total);
      assert.equal(digestOf(await read(store, stored.key), algorithm), stored.digest);
      await assert.rejects(store.findUpload(id), UploadNotFound);
      await store.delete(stored.key);
    }
    assert.deepEqual(await run.everything(), []);
  });

  rule('nothing is visible under a digest before the upload is finished', async (_, store) => {
    const id = await begin(store);
    await store.appendToUpload(id, 0, generated(10, several));
    assert.deepEqual(await keysOf(store), []);
    const slow = held(bytesOf(10, several));
    const put = store.put(digestOfGenerated(10, several), slow.source);
    await slow.begun;
    assert.deepEqual(await keysOf(store), []);
    slow.release();
    const stored = await put;
    assert.deepEqual(await keysOf(store), [stored.key]);
  });

  rule(
    'an append anywhere but at the end is refused, tells the end and changes nothing',
    async (_, store) => {
      const id = await begin(store);
      const bytes = bytesOf(11, 1000);
      await store.appendToUpload(id, 0, inPieces(bytes.subarray(0, 600)));
      for (const offset of [601, 1_000_000, 0, 599]) {
        await assert.rejects(
          store.appendToUpload(id, offset, inPieces(bytes)),
          (error) => error instanceof OffsetMismatch && error.end === 600,
        );
      }
      await store.appendToUpload(id, 600, inPieces(bytes.subarray(600)));
      const stored = await store.finishUpload(id, digestOf(bytes));
      assert.ok((await read(store, stored.key)).equals(bytes));
    },
  );

  rule('an upload whose source fails keeps what had arrived', async (_, store) => {
    for (const arrived of [700, several]) {
      const total = arrived + 1000;
      const id = await begin(store);
      const slow = held(bytesOf(12, total).subarray(0, arrived));
      const append = store.appendToUpload(id, 0, slow.source);
      await slow.begun;
      const broken = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104 });
      slow.fail(broken);
      await assert.rejects(append, (error) => error === broken);
      const { size } = await store.findUpload(id);
      assert.equal(size, arrived);
      await store.appendToUpload(id, size, generated(12, total, size));
      const stored = await store.finishUpload(id, digestOfGenerated(12, total));
      assert.equal(digestOf(await read(store, stored.key)), stored.digest);
    }
  });

  rule('an upload has one writer at a time', async (_, store) => {
    const id = await begin(store);
    const slow = held(Buffer.from('abc'));
    const append = store.appendToUpload(id, 0, slow.source);
    await slow.begun;
    await assert.rejects(store.appendToUpload(id, 0, inPieces(Buffer.from('x'))), UploadBusy);
    await assert.rejects(store.finishUpload(id, digestOf(Buffer.from('abc'))), UploadBusy);
    await assert.rejects(store.cancelUpload(id), UploadBusy);
    await store.findUpload(id);
    slow.release();
    assert.equal(await append, 3);
    const stored = await store.finishUpload(id, digestOf(Buffer.from('abc')));
    assert.equal((await read(store, stored.key)).toString(), 'abc');
  });

  rule('an upload finished twice at once becomes one blob', async (_, store) => {
    const id = await begin(store);
    await store.appendToUpload(id, 0, generated(13, 1000));
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map(() => store.finishUpload(id, digestOfGenerated(13, 1000))),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof UploadBusy);
    assert.equal((await keysOf(store)).length, 1);
    await assert.rejects(store.finishUpload(id, digestOfGenerated(13, 1000)), UploadNotFound);
  });

  rule('another open store goes on with an upload, and the first one again', async (t, store, run) => {
    for (const step of [500, 7 * MiB]) {
      const other = await openStore(run.settings);
      t.after(() => other.close());
      const id = await begin(store);
      await store.appendToUpload(id, 0, generated(14, step));
      assert.equal((await other.findUpload(id)).size, step);
      await assert.rejects(other.appendToUpload(id, 1, inPieces(Buffer.from('x'))), OffsetMismatch);
      await other.appendToUpload(id, step, generated(14, 2 * step, step));
      await store.appendToUpload(id, 2 * step, generated(14, 3 * step, 2 * step));
      const stored = await other.finishUpload(id, digestOfGenerated(14, 3 * step));
      assert.equal(digestOf(await read(store, stored.key)), stored.digest);
      await assert.rejects(store.findUpload(id), UploadNotFound);
      assert.deepEqual(await collect(store.listUploads()), []);
    }
  });

  rule('writers in two stores at once never make a blob of other bytes', async (t, store, run) => {
    const other = await openStore(run.settings);
    t.after(() => other.close());
    const finishes = [
      { by: store, seed: 15 },
      { by: other, seed: 16 },
    ];
    for (const size of [1000, 6 * MiB])
      for (const order of [finishes, finishes.toReversed()]) {
        const id = await begin(store);
        const slow = held(bytesOf(15, size));
        const rival = store.appendToUpload(id, 0, slow.source);
        await slow.begun;
        const theirs = await Promise.allSettled([other.appendToUpload(id, 0, generated(16, size))]);
        slow.release();
        const ours = await Promise.allSettled([rival]);
        assert.ok([...theirs, ...ours].some(({ status }) => status === 'fulfilled'));
        for (const { by, seed } of order)
          await Promise.allSettled([by.finishUpload(id, digestOfGenerated(seed, size))]);
        for (const { key, digest } of await collect(store.list()))
          assert.equal(digestOf(await read(store, key)), digest);
      }
  });

  rule('a late write of another store does not reach a finished blob', async (t, store, run) => {
    const other = await openStore(run.settings);
    t.after(() => other.close());
    const id = await begin(store);
    await store.appendToUpload(id, 0, generated(17, 1000));
    const slow = held(Buffer.from('late'));
    const append = other.appendToUpload(id, 1000, slow.source);
    await slow.begun;
    const outcome = await Promise.allSettled([store.finishUpload(id, digestOfGenerated(17, 1000))]);
    slow.release();
    await Promise.allSettled([append]);
    for (const { key, digest } of await collect(store.list()))
      assert.equal(digestOf(await read(store, key)), digest);
    assert.equal((await keysOf(store)).length, outcome[0]?.status === 'fulfilled' ? 1 : 0);
  });

  rule('an upload finished under the wrong digest is gone with its bytes', async (_, store, run) => {
    for (const size of [0, 10, several])
      for (const algorithm of ['sha256', 'sha512'] as const) {
        const id = await begin(store);
        await store.appendToUpload(id, 0, generated(18, size));
        const wrong = digestOf(Buffer.from('something else'), algorithm);
        await assert.rejects(
          store.finishUpload(id, wrong),
          (error) =>
            error instanceof DigestMismatch && error.actual === digestOfGenerated(18, size, algorithm),
        );
        await assert.rejects(store.findUpload(id), UploadNotFound);
      }
    assert.deepEqual(await run.everything(), []);
  });

  rule('a cancelled upload is gone with its bytes, and can not be cancelled again', async (_, store, run) => {
    for (const size of [0, 10, several]) {
      const id = await begin(store);
      await store.appendToUpload(id, 0, generated(19, size));
      await store.cancelUpload(id);
      await assert.rejects(store.cancelUpload(id), UploadNotFound);
      await assert.rejects(store.findUpload(id), UploadNotFound);
    }
    assert.deepEqual(await run.everything(), []);
  });

  rule('what is no upload is not found', async (_, store) => {
    for (const id of [randomUUID(), randomUUID().toUpperCase(), '../blobs', '', '.', 'a/b', 'a\0b']) {
      await assert.rejects(store.findUpload(id), UploadNotFound);
      await assert.rejects(store.appendToUpload(id, 0, inPieces(Buffer.from('a'))), UploadNotFound);
      await assert.rejects(store.finishUpload(id, digestOf(Buffer.from('a'))), UploadNotFound);
      await assert.rejects(store.cancelUpload(id), UploadNotFound);
    }
    assert.deepEqual(await collect(store.listUploads()), []);
  });

  rule('finishing and cancelling at once ends in a whole blob or in none', async (t, store, run) => {
    const other = await openStore(run.settings);
    t.after(() => other.close());
    for (let round = 0; round < 10; round++) {
      const size = round % 2 === 0 ? 1000 : 6 * MiB;
      const id = await begin(store);
      await store.appendToUpload(id, 0, generated(20, size));
      const [finished] = await Promise.allSettled([
        store.finishUpload(id, digestOfGenerated(20, size)),
        other.cancelUpload(id),
      ]);
      if (finished.status === 'rejected') continue;
      assert.equal(digestOf(await read(store, finished.value.key)), finished.value.digest);
    }
  });

  rule(
    'who finishes or cancels what another store is ending is told that it is gone',
    async (t, store, run) => {
      const other = await openStore(run.settings);
      t.after(() => other.close());
      for (let round = 0; round < 60; round++) {
        const id = await begin(store);
        await store.appendToUpload(id, 0, generated(21, 1000));
        await other.appendToUpload(id, 1000, generated(21, 2000, 1000));
        const endings: Promise<unknown>[] = [store.finishUpload(id, digestOfGenerated(21, 2000))];
        // The second begins ever later in the course of the first.
        for (let turns = 0; turns < round; turns++) await nextTurn();
        endings.push(
          round % 3 === 0 ? other.cancelUpload(id) : other.finishUpload(id, digestOfGenerated(21, 2000)),
        );
        for (const outcome of await Promise.allSettled(endings))
          if (outcome.status === 'rejected')
            assert.ok(
              outcome.reason instanceof UploadNotFound || outcome.reason instanceof UploadBusy,
              `round ${round}: ${outcome.reason.stack}`,
            );
      }
    },
  );

  rule(
    'whatever a killed process had stored is whole, and what it left can be swept',
    async (t, store, run) => {
      await surviveKills(t, store, run.settings, run.kills);
      assert.deepEqual(await collect(store.listUploads()), []);
      for (const key of await keysOf(store)) await store.delete(key);
      assert.deepEqual(await run.everything(), []);
    },
  );

  rule('a large blob passes through without being held in memory', async (t, _, run) => {
    const large = process.env.CI || process.env.SHIPLOG_TEST_LARGE === '1';
    await storeLarge(t, run.settings, large ? run.largeBytes : 256 * MiB);
  });
}
