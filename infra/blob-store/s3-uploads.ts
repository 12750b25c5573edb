import { createHash, type Hash, randomUUID } from 'node:crypto';
import { algorithmOf, type Digest, digestFrom } from '../../domain/digest.ts';
import { feed, type SourceFailure } from './feed.ts';
import type { HashStates } from './hash-states.ts';
import { keyOf, randomName } from './key.ts';
import {
  BlobNotFound,
  BlobTooLarge,
  DigestMismatch,
  type StoredBlob,
  StoreUnavailable,
  type Upload,
  type UploadAttributes,
  UploadBusy,
  UploadNotFound,
} from './port.ts';
import type { S3Objects } from './s3-objects.ts';
import type { TransferMemory } from './transfer-memory.ts';

/** All that another process needs to go on with an upload. */
export interface UploadState extends UploadAttributes {
  readonly id: string;
  /** Drawn anew each time that the state is written. */
  readonly revision: string;
  /** The random part of the data object's name, and of the key that it may get. */
  readonly data: string;
  /** Whether a multipart upload may have begun; known before it does, so that none is ever forgotten. */
  readonly begun: boolean;
  /** S3's id of the multipart upload, once there is a part. */
  readonly multipart: string | null;
  /** The ETags of the parts. */
  readonly parts: readonly string[];
  /** The object that keeps the bytes after the last part, fewer than a part. */
  readonly tail: string | null;
  /** Bytes of the parts and the tail. */
  readonly size: number;
  readonly lastActivityAt: string;
}

export const uploadsFolder = 'uploads/';
const folderOf = (id: string) => `${uploadsFolder}${id}/`;
export const stateName = (id: string) => `${folderOf(id)}state.json`;
export const cancelledName = (id: string) => `${folderOf(id)}cancelled.json`;
const commitPrefix = 'commit/';
export const dataName = (data: string) => `data/${data}`;
export const blobName = (key: string) => `blobs/${key}`;
/** In front of the random part of a key whose object is only a mark: the bytes are in the data object of that name. */
export const apart = 'p';

/** Of the 10,000 that S3 takes the last one is for what is left at the end. */
const maxParts = 9_999;
const nothing = Buffer.alloc(0);

export const newUpload = (
  id: string,
  { repository, projectId, startedBy }: UploadAttributes,
): UploadState => ({
  ...{ id, repository, projectId, startedBy },
  ...{ revision: randomUUID(), data: randomName() },
  ...{ begun: false, multipart: null, parts: [], tail: null, size: 0 },
  lastActivityAt: new Date().toISOString(),
});

export const uploadOf = ({
  id,
  repository,
  projectId,
  startedBy,
  size,
  lastActivityAt,
}: UploadState): Upload => ({
  ...{ id, repository, projectId, startedBy, size },
  lastActivityAt: new Date(lastActivityAt),
});

export const encodeState = (state: UploadState): Buffer => Buffer.from(JSON.stringify(state));

/** The state in the object `name`, or undefined where there is none. */
export async function readState(objects: S3Objects, name: string): Promise<UploadState | undefined> {
  const bytes = await ifFound(objects.get(name));
  return bytes && (JSON.parse(bytes.toString()) as UploadState);
}

export async function ifFound<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof BlobNotFound) return undefined;
    throw error;
  }
}

/** Appends `source` to the upload: whole parts as they fill up, and what is left as a new tail. */
export async function extend(
  objects: S3Objects,
  hashes: HashStates,
  partSize: number,
  before: UploadState,
  source: AsyncIterable<Uint8Array>,
  memory: TransferMemory,
): Promise<{ readonly state: UploadState; readonly failure: SourceFailure | undefined }> {
  let state = before;
  const save = async (change: Partial<UploadState>) => {
    const next = { ...state, ...change, revision: randomUUID(), lastActivityAt: new Date().toISOString() };
    await objects.put(stateName(state.id), encodeState(next));
    state = next;
  };

  const tail = await readTail(objects, before);
  const kept = hashes.take(before.id, before.revision);
  const hash = kept ?? (before.parts.length === 0 ? createHash('sha256').update(tail) : undefined);
  let partsEnd = before.size - tail.length;

  let multipart = before.multipart;
  const sendPart = async (part: Buffer) => {
    const name = dataName(state.data);
    if (state.parts.length === maxParts)
      throw new BlobTooLarge(`a blob has at most ${maxParts * partSize} bytes in S3`);
    if (!state.begun) await save({ begun: true });
    // Begun before, by a process that died before it could say under which id.
    if (before.begun) multipart ??= (await objects.findParts(name)) ?? null;
    multipart ??= await objects.beginParts(name);
    const etag = await objects.putPart(name, multipart, state.parts.length + 1, part);
    const oldTail = state.tail;
    partsEnd += part.length;
    await save({ multipart, parts: [...state.parts, etag], tail: null, size: partsEnd });
    if (oldTail !== null) await objects.remove(tailName(state.id, oldTail));
  };

  let sending: Promise<unknown> | undefined;
  const sent = async () => {
    const error = await sending;
    if (error !== undefined) throw error;
  };

  let part: Buffer | undefined;
  let filled = 0;
  const collect = async (chunk: Uint8Array) => {
    for (let taken = 0; taken < chunk.length; ) {
      part ??= Buffer.allocUnsafeSlow(partSize);
      const end = Math.min(chunk.length, taken + partSize - filled);
      part.set(chunk.subarray(taken, end), filled);
      filled += end - taken;
      taken = end;
      if (filled < partSize) continue;
      await sent();
      // Settles to its error: while the source is slow nobody is there to catch it.
      sending = sendPart(part).then(
        () => undefined,
        (error: unknown) => error,
      );
      part = undefined;
      filled = 0;
    }
  };

  try {
    await collect(tail);
    const failure = await feed(source, (chunk) => {
      hash?.update(chunk);
      memory.passed(chunk.length);
      return collect(chunk);
    });
    await sent();
    const size = partsEnd + filled;
    if (size > state.size && part) {
      const name = randomName();
      await objects.put(tailName(state.id, name), part.subarray(0, filled));
      const oldTail = state.tail;
      await save({ tail: name, size });
      if (oldTail !== null) await objects.remove(tailName(state.id, oldTail));
    } else {
      await save({});
    }
    if (hash) hashes.keep(state.id, state.revision, hash);
    return { state, failure };
  } finally {
    // No part may be on its way when the upload is free for the next writer.
    await sending;
  }
}

/** Turns an upload without parts into a blob: one object that holds the bytes. */
export async function finishSmall(
  objects: S3Objects,
  hashes: HashStates,
  state: UploadState,
  digest: Digest,
): Promise<StoredBlob> {
  const bytes = await readTail(objects, state);
  const actual = digestOf(bytes, digest);
  if (actual !== digest) {
    await discard(objects, hashes, state);
    throw new DigestMismatch(digest, actual);
  }
  const key = keyOf(digest);
  await objects.put(blobName(key), bytes);
  hashes.drop(state.id);
  await leave(objects, state);
  return { digest, size: bytes.length, key };
}

/** Turns an upload with parts into a blob: completes its data object, and then puts the mark that makes it one. */
export async function finishLarge(
  objects: S3Objects,
  hashes: HashStates,
  state: UploadState,
  digest: Digest,
): Promise<StoredBlob> {
  const kept = hashes.take(state.id, state.revision);
  let known = algorithmOf(digest) === 'sha256' ? kept && digestFrom('sha256', kept.digest('hex')) : undefined;
  if (known !== undefined && known !== digest) {
    await discard(objects, hashes, state);
    throw new DigestMismatch(digest, known);
  }

  const name = dataName(state.data);
  try {
    await complete(objects, state);
  } catch (error) {
    if (!(error instanceof UploadNotFound)) throw error;
    // Completed before, by a request whose answer was lost or by a process that died; or else cancelled.
    known = undefined;
  }
  const size = await ifFound(objects.size(name));
  if (size === undefined) throw new UploadNotFound(`the upload ${state.id} is gone`);
  if (size !== state.size)
    throw new StoreUnavailable(`${name} has ${size} bytes where ${state.size} were sent`);
  const actual = known ?? (await digestOfObject(objects, name, digest));
  if (actual !== digest) {
    await discard(objects, hashes, state);
    throw new DigestMismatch(digest, actual);
  }

  const key = keyOf(digest, apart + state.data);
  await objects.put(`${folderOf(state.id)}${commitPrefix}${key}`, nothing);
  await objects.put(blobName(key), nothing);
  await confirm(objects, state, key);
  await leave(objects, state);
  return { digest, size, key };
}

async function complete(objects: S3Objects, state: UploadState): Promise<void> {
  const etags = [...state.parts];
  if (state.tail !== null) {
    const tail = await readTail(objects, state);
    etags.push(await objects.putPart(dataName(state.data), state.multipart ?? '', etags.length + 1, tail));
  }
  await objects.completeParts(dataName(state.data), state.multipart ?? '', etags);
}

/**
 * Makes sure that no other process cancels this upload. The finisher puts its mark and then looks for a
 * cancellation; who cancels says so and then looks for the mark: at least one sees the other.
 */
async function confirm(objects: S3Objects, { id, data }: UploadState, key: string): Promise<void> {
  const names = await namesOf(objects, id);
  if (names.includes(cancelledName(id))) throw new UploadNotFound(`the upload ${id} is being cancelled`);
  if (names.includes(stateName(id))) return;
  // Another process finished it too, with the same key, or cancelled it before there was a mark.
  if ((await ifFound(objects.size(dataName(data)))) !== undefined) return;
  await objects.remove(blobName(key));
  throw new UploadNotFound(`the upload ${id} was cancelled`);
}

/** Drops the upload and, unless they are a blob by now, its bytes. Can be repeated after a crash at any point. */
export async function discard(objects: S3Objects, hashes: HashStates, state: UploadState): Promise<void> {
  const { id, data } = state;
  hashes.drop(id);
  await objects.put(cancelledName(id), encodeState(state));
  await objects.remove(stateName(id));
  await abortAll(objects, state);
  let marked = false;
  for (const name of await namesOf(objects, id)) {
    const key = name.slice(folderOf(id).length + commitPrefix.length);
    if (name.startsWith(folderOf(id) + commitPrefix))
      marked ||= (await ifFound(objects.size(blobName(key)))) !== undefined;
  }
  if (!marked) await objects.remove(dataName(data));
  await clear(objects, id);
}

async function abortAll(objects: S3Objects, { data, begun, multipart }: UploadState): Promise<void> {
  if (!begun) return;
  const name = dataName(data);
  let id = multipart ?? (await objects.findParts(name));
  // More than the one of the state, if a process died right after it began one; the bound is for a store whose
  // listing lags behind.
  for (let left = 20; id !== undefined && left > 0; left--) {
    try {
      await objects.abortParts(name, id);
    } catch (error) {
      if (!(error instanceof UploadNotFound)) throw error;
    }
    id = await objects.findParts(name);
  }
}

/** Removes what the upload wrote about itself; resolves to whether there was anything. */
export async function clear(objects: S3Objects, id: string): Promise<boolean> {
  const names = await namesOf(objects, id);
  const [state, cancelled] = [stateName(id), cancelledName(id)];
  const rest = names.filter((name) => name !== state && name !== cancelled);
  // The state first, which must not tell of a tail that is gone; what was cancelled last, which tells what to remove.
  if (names.includes(state)) await objects.remove(state);
  await Promise.all(rest.map((name) => objects.remove(name)));
  if (names.includes(cancelled)) await objects.remove(cancelled);
  return names.length > 0;
}

/** As `clear`, once the blob is safe: what stays behind is swept like any abandoned upload. */
async function leave(objects: S3Objects, state: UploadState): Promise<void> {
  try {
    // What began before the first part was there, and never got one.
    if (state.parts.length === 0) await abortAll(objects, state);
    await clear(objects, state.id);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
  }
}

async function namesOf(objects: S3Objects, id: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name } of objects.list(folderOf(id))) names.push(name);
  return names;
}

const tailName = (id: string, tail: string) => `${folderOf(id)}tail-${tail}`;

async function readTail(objects: S3Objects, { id, tail }: UploadState): Promise<Buffer> {
  if (tail === null) return nothing;
  const bytes = await ifFound(objects.get(tailName(id, tail)));
  if (bytes === undefined) throw new UploadBusy(`another process is at work on the upload ${id}`);
  return bytes;
}

export function digestOf(bytes: Uint8Array, like: Digest): Digest {
  return finish(createHash(algorithmOf(like)).update(bytes), like);
}

async function digestOfObject(objects: S3Objects, name: string, like: Digest): Promise<Digest> {
  const hash = createHash(algorithmOf(like));
  const { body } = await objects.read(name);
  try {
    for await (const chunk of body) hash.update(chunk);
  } catch (cause) {
    throw new StoreUnavailable('the store broke off while an upload was read back', { cause });
  }
  return finish(hash, like);
}

const finish = (hash: Hash, like: Digest): Digest => digestFrom(algorithmOf(like), hash.digest('hex'));
