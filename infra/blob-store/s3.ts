import { createHash, randomUUID } from 'node:crypto';
import { pipeline, type Readable, Transform } from 'node:stream';
import { finishedObjects } from './finished-objects.ts';
import { hashStates } from './hash-states.ts';
import { heartbeatMs, whileBeating } from './heartbeat.ts';
import { isUploadId, keyOf, parseKey } from './key.ts';
import { oneWriter } from './one-writer.ts';
import {
  BlobNotFound,
  type BlobStore,
  DigestMismatch,
  OffsetMismatch,
  type StoredBlob,
  StoreUnavailable,
  type Upload,
  type UploadAttributes,
  UploadExists,
  UploadNotFound,
} from './port.ts';
import { connectObjects, type S3Settings, s3Failure } from './s3-objects.ts';
import {
  apart,
  blobName,
  cancelledName,
  clear,
  dataName,
  digestOf,
  discard,
  encodeState,
  extend,
  finishLarge,
  finishSmall,
  ifFound,
  newUpload,
  readState,
  stateName,
  type UploadState,
  uploadOf,
  uploadsFolder,
} from './s3-uploads.ts';
import { type TransferMemory, transferMemory } from './transfer-memory.ts';

export type { S3Settings };

/** Of a request that has marked its upload as alive. */
const aliveName = (id: string) => `${uploadsFolder}${id}/alive`;
const minPartSize = 5 * 1024 * 1024;

/**
 * Every blob is an object `blobs/<key>`. Up to the size of a part it holds the bytes. Larger ones are written as a
 * multipart upload of `data/<random>` before their digest is known, and S3 could rename that only by a copy; so
 * their `blobs/<key>` is an empty mark, put last, and the key's random part is `p` and the name of the data.
 * Uploads keep their state in `uploads/<id>/`, so that another process can go on.
 *
 * The bucket must exist, and read its own writes, as S3 does since 2020.
 */
export async function openS3Store(settings: S3Settings): Promise<BlobStore> {
  const { partSize = 8 * 1024 * 1024, heartbeatMs: beatEveryMs = heartbeatMs } = settings;
  if (partSize < minPartSize) throw new RangeError(`a part has at least ${minPartSize} bytes`);
  const objects = connectObjects({ ...settings, partSize });
  const hashes = hashStates();
  const memory = transferMemory();
  const alone = oneWriter();
  try {
    await objects.check();
  } catch (error) {
    objects.close();
    throw error;
  }

  async function stateOf(id: string): Promise<UploadState> {
    const state = isUploadId(id) ? await readState(objects, stateName(id)) : undefined;
    if (state === undefined) throw new UploadNotFound(`there is no upload ${id}`);
    return state;
  }

  async function begin(id: string, attributes: UploadAttributes): Promise<UploadState> {
    const begun = newUpload(id, attributes);
    await objects.put(stateName(id), encodeState(begun));
    hashes.keep(id, begun.revision, createHash('sha256'));
    return begun;
  }

  /** The name of the object that holds the bytes of `key`. @throws BlobNotFound */
  function bytesOf(key: string): string {
    const { random } = parseKey(key) ?? {};
    if (random === undefined) throw new BlobNotFound(`there is no blob ${key}`);
    return random.startsWith(apart) ? dataName(random.slice(apart.length)) : blobName(key);
  }

  /** Where nothing is known of an upload but its id it is told all the same, so that its remains are swept. */
  async function describe(id: string, lastWritten: Date): Promise<Upload> {
    const state = (await readState(objects, stateName(id))) ?? (await readState(objects, cancelledName(id)));
    const upload = state
      ? uploadOf(state)
      : { id, repository: '', projectId: 0, startedBy: 'system', size: 0 };
    const stated = state ? new Date(state.lastActivityAt) : lastWritten;
    return { ...upload, lastActivityAt: stated > lastWritten ? stated : lastWritten };
  }

  async function* uploadsBelow(folder: string): AsyncGenerator<Upload> {
    let current: { readonly id: string; lastWritten: Date } | undefined;
    for await (const { name, lastModified } of objects.list(folder)) {
      const id = name.split('/')[1] ?? '';
      if (!isUploadId(id)) continue;
      // The listing is in the order of the names.
      if (id !== current?.id) {
        if (current) yield await describe(current.id, current.lastWritten);
        current = { id, lastWritten: lastModified };
      }
      if (lastModified > current.lastWritten) current.lastWritten = lastModified;
    }
    if (current) yield await describe(current.id, current.lastWritten);
  }

  const beat = (id: string) => objects.put(aliveName(id), Buffer.alloc(0));

  /** Says to the sweeps of all processes that somebody is at work on an upload that was left alone for a while. */
  async function wake({ id, lastActivityAt }: UploadState): Promise<void> {
    if (Date.now() - Date.parse(lastActivityAt) > beatEveryMs) await beat(id);
  }

  async function cancel(id: string): Promise<void> {
    if (!isUploadId(id)) throw new UploadNotFound(`there is no upload ${id}`);
    const state = (await readState(objects, stateName(id))) ?? (await readState(objects, cancelledName(id)));
    if (state) await discard(objects, hashes, state);
    else if (!(await clear(objects, id))) throw new UploadNotFound(`there is no upload ${id}`);
  }

  const finish = (state: UploadState, digest: StoredBlob['digest']): Promise<StoredBlob> =>
    state.parts.length === 0
      ? finishSmall(objects, hashes, state, digest)
      : finishLarge(objects, hashes, state, digest);

  async function putLarge(
    digest: StoredBlob['digest'],
    source: AsyncIterable<Uint8Array>,
  ): Promise<StoredBlob> {
    // An upload without a name: after a crash it is swept as one.
    const id = randomUUID();
    return alone(id, async () => {
      const begun = await begin(id, { repository: '', projectId: 0, startedBy: 'system' });
      let newest = begun;
      try {
        const { state, failure } = await whileBeating(
          beatEveryMs,
          () => beat(id),
          () => extend(objects, hashes, partSize, begun, source, memory),
        );
        newest = state;
        if (failure) throw failure.error;
        return await finish(state, digest);
      } catch (error) {
        // A finish that fails for another reason may have put the mark.
        if (!(error instanceof DigestMismatch)) await discardQuietly(newest);
        throw error;
      }
    });
  }

  /** What stays behind is swept like any abandoned upload. */
  async function discardQuietly(state: UploadState): Promise<void> {
    try {
      await discard(objects, hashes, (await readState(objects, stateName(state.id))) ?? state);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }

  return {
    product: 's3',
    check: objects.check,
    ...finishedObjects(objects),

    createUpload: (id, attributes) =>
      alone(id, async () => {
        if (!isUploadId(id)) throw new TypeError(`${id} is not a UUID in lower case`);
        if ((await ifFound(objects.size(stateName(id)))) !== undefined)
          throw new UploadExists(`there is an upload ${id} already`);
        await begin(id, attributes);
      }),

    findUpload: async (id) => uploadOf(await stateOf(id)),

    async appendToUpload(id, offset, source) {
      const { state, failure } = await alone(id, async () => {
        const before = await stateOf(id);
        if (before.size !== offset) throw new OffsetMismatch(before.size);
        await wake(before);
        return whileBeating(
          beatEveryMs,
          () => beat(id),
          () => extend(objects, hashes, partSize, before, source, memory),
        );
      });
      if (failure) throw failure.error;
      return state.size;
    },

    finishUpload: (id, digest) =>
      alone(id, async () => {
        const state = await stateOf(id);
        await wake(state);
        return finish(state, digest);
      }),

    cancelUpload: (id) => alone(id, () => cancel(id)),

    expireUpload: (id, idleSince) =>
      alone(id, async () => {
        const upload = isUploadId(id) ? await firstOf(uploadsBelow(`${uploadsFolder}${id}/`)) : undefined;
        if (upload === undefined) throw new UploadNotFound(`there is no upload ${id}`);
        if (upload.lastActivityAt > idleSince) return false;
        await cancel(id);
        return true;
      }),

    listUploads: () => uploadsBelow(uploadsFolder),

    async put(digest, source) {
      const iterator = source[Symbol.asyncIterator]();
      // A copy, since the chunks may be millions of single bytes.
      let held = Buffer.alloc(0);
      let size = 0;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        const chunk = next.value;
        if (size + chunk.length > partSize)
          return putLarge(digest, resume([held.subarray(0, size), chunk], iterator));
        held = withRoom(held, size, size + chunk.length, partSize);
        held.set(chunk, size);
        size += chunk.length;
      }
      const bytes = held.subarray(0, size);
      const actual = digestOf(bytes, digest);
      if (actual !== digest) throw new DigestMismatch(digest, actual);
      const key = keyOf(digest);
      await objects.put(blobName(key), bytes);
      return { digest, size, key };
    },

    async open(key, range) {
      const { body, length } = await objects.read(bytesOf(key), range);
      return counted(body, range ? range.end - range.start + 1 : length, memory);
    },

    size: async (key) => objects.size(bytesOf(key)),

    presign: async (key, { method, expiresInSeconds }) =>
      objects.presign(bytesOf(key), method, expiresInSeconds),

    async delete(key) {
      if (parseKey(key) === undefined) return;
      // The bytes first: a mark without bytes is found by `list`, bytes without a mark by nobody.
      if (bytesOf(key) !== blobName(key)) await objects.remove(bytesOf(key));
      await objects.remove(blobName(key));
    },

    async *list() {
      for await (const { name, lastModified } of objects.list(blobName(''))) {
        const key = name.slice(blobName('').length);
        const parsed = parseKey(key);
        if (parsed) yield { key, digest: parsed.digest, storedAt: lastModified };
      }
    },

    async close() {
      objects.close();
    },
  };
}

async function firstOf<Item>(items: AsyncIterable<Item>): Promise<Item | undefined> {
  for await (const item of items) return item;
  return undefined;
}

/**
 * `held`, or a larger copy of its first `size` bytes, with room for `needed` bytes, of `most` at the most. It doubles at
 * least, so that however small the chunks are each byte is copied about twice.
 */
function withRoom(
  held: Buffer<ArrayBuffer>,
  size: number,
  needed: number,
  most: number,
): Buffer<ArrayBuffer> {
  if (needed <= held.length) return held;
  const larger = Buffer.allocUnsafeSlow(Math.min(most, Math.max(needed, 2 * held.length)));
  held.copy(larger, 0, 0, size);
  return larger;
}

/** What was taken from `iterator` already, and then the rest. */
async function* resume(
  taken: readonly Uint8Array[],
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let ended = false;
  try {
    yield* taken;
    for (;;) {
      const next = await iterator.next();
      ended = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    if (!ended) await iterator.return?.();
  }
}

/** Passes `body` on, and fails when it breaks off or has another length than `expected` bytes. */
function counted(body: Readable, expected: number, memory: TransferMemory): Readable {
  let received = 0;
  const counting = new Transform({
    readableHighWaterMark: 512 * 1024,
    transform(chunk: Buffer, _, done) {
      received += chunk.length;
      memory.passed(chunk.length);
      done(null, chunk);
    },
    flush(done) {
      done(
        received === expected
          ? null
          : new StoreUnavailable(`the store sent ${received} of ${expected} bytes`),
      );
    },
  });
  body.once('error', (error) => counting.destroy(s3Failure(error)));
  pipeline(body, counting, (error) => {
    if (error && !counting.destroyed) counting.destroy(s3Failure(error));
  });
  return counting;
}
