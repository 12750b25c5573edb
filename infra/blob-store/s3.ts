import { createHash, randomUUID } from 'node:crypto';
import { pipeline, type Readable, Transform } from 'node:stream';
import { hashStates } from './hash-states.ts';
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

export type { S3Settings };

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
  const { partSize = 8 * 1024 * 1024 } = settings;
  if (partSize < minPartSize) throw new RangeError(`a part has at least ${minPartSize} bytes`);
  const objects = connectObjects({ ...settings, partSize });
  const hashes = hashStates();
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

  /** An upload of which nothing is known but its id, so that its remains are swept. */
  async function describe(id: string, lastActivityAt: Date): Promise<Upload> {
    const state = (await readState(objects, stateName(id))) ?? (await readState(objects, cancelledName(id)));
    return state ? uploadOf(state) : { id, repository: '', startedBy: 'system', size: 0, lastActivityAt };
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
      const begun = await begin(id, { repository: '', startedBy: 'system' });
      let newest = begun;
      try {
        const { state, failure } = await extend(objects, hashes, partSize, begun, source);
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
        return extend(objects, hashes, partSize, before, source);
      });
      if (failure) throw failure.error;
      return state.size;
    },

    finishUpload: (id, digest) => alone(id, async () => finish(await stateOf(id), digest)),

    cancelUpload: (id) =>
      alone(id, async () => {
        if (!isUploadId(id)) throw new UploadNotFound(`there is no upload ${id}`);
        const state =
          (await readState(objects, stateName(id))) ?? (await readState(objects, cancelledName(id)));
        if (state) await discard(objects, hashes, state);
        else if (!(await clear(objects, id))) throw new UploadNotFound(`there is no upload ${id}`);
      }),

    async *listUploads() {
      let last = '';
      for await (const { name, lastModified } of objects.list(uploadsFolder)) {
        const id = name.split('/')[1] ?? '';
        // The listing is in the order of the names.
        if (id === last || !isUploadId(id)) continue;
        last = id;
        yield await describe(id, lastModified);
      }
    },

    async put(digest, source) {
      const iterator = source[Symbol.asyncIterator]();
      // A copy, since the chunks may be millions of single bytes; pages that stay untouched cost nothing.
      const held = Buffer.allocUnsafeSlow(partSize);
      let size = 0;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        const chunk = next.value;
        if (size + chunk.length > partSize)
          return putLarge(digest, resume([held.subarray(0, size), chunk], iterator));
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
      return counted(body, range ? range.end - range.start + 1 : length);
    },

    size: async (key) => objects.size(bytesOf(key)),

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
function counted(body: Readable, expected: number): Readable {
  let received = 0;
  const counting = new Transform({
    readableHighWaterMark: 512 * 1024,
    transform(chunk: Buffer, _, done) {
      received += chunk.length;
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
