import type { Readable } from 'node:stream';
import type { Digest } from '../../domain/digest.ts';

/** Bytes that are stored: whole, verified against `digest` and synced to disk. */
export interface StoredBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /**
   * The physical key: `<algorithm>/<first two hex digits>/<hex>/<random>`. Never used twice, so a late delete can
   * not hit bytes that were stored again, and the key alone says which digest it holds.
   */
  readonly key: string;
}

/** What an upload knows of itself; written when it starts and never changed. */
export interface UploadAttributes {
  /** The repository that the upload was opened in. */
  readonly repository: string;
  /** The number of the project that had the repository then; another one may have its name by now. */
  readonly projectId: number;
  /** The actor who opened it, as in an event's metadata. */
  readonly startedBy: string;
}

export interface Upload extends UploadAttributes {
  readonly id: string;
  /** Bytes that are stored so far and survive a crash. */
  readonly size: number;
  readonly lastActivityAt: Date;
}

/** An upload that became a blob. */
export interface FinishedUpload extends UploadAttributes {
  readonly id: string;
  readonly blob: StoredBlob;
}

/** A closed range of byte offsets, already cut to the blob's size. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Content-addressed bytes. A blob is visible only when it is whole, hashed and synced; a crash at any moment leaves
 * either the whole blob or an upload that can be continued or swept.
 *
 * Every method rejects with `StoreUnavailable` or `StoreFull` when the medium fails.
 */
export interface BlobStore {
  /** The product's name, for status and metrics. */
  readonly product: string;

  /** Resolves while the store is there and takes bytes. @throws StoreUnavailable */
  check(): Promise<void>;

  /** Opens an upload under `id`, a UUID. @throws UploadExists */
  createUpload(id: string, attributes: UploadAttributes): Promise<void>;

  /** @throws UploadNotFound */
  findUpload(id: string): Promise<Upload>;

  /**
   * Appends `source` to the upload at `offset` bytes and resolves to its new size; the bytes are durable then.
   * When `source` fails midway, what had arrived is kept, and `findUpload` tells how much.
   * @throws UploadNotFound
   * @throws OffsetMismatch when `offset` is not where the upload ends; it carries the true end.
   * @throws UploadBusy while another append or finish of this upload is running in this process.
   */
  appendToUpload(id: string, offset: number, source: AsyncIterable<Uint8Array>): Promise<number>;

  /**
   * Turns the upload into a blob when its bytes have `digest`, and ends it.
   * @throws UploadNotFound
   * @throws UploadBusy
   * @throws DigestMismatch when they have not; the upload and its bytes are gone then.
   */
  finishUpload(id: string, digest: Digest): Promise<StoredBlob>;

  /** Drops the upload and its bytes. @throws UploadNotFound @throws UploadBusy */
  cancelUpload(id: string): Promise<void>;

  /** All open uploads, also those of processes that died. */
  listUploads(): AsyncIterable<Upload>;

  /**
   * Drops the upload and its bytes unless somebody has been at work on it since `idleSince`; a request that runs in
   * another process counts, however slow its client is. Resolves to whether it was dropped.
   * @throws UploadNotFound @throws UploadBusy
   */
  expireUpload(id: string, idleSince: Date): Promise<boolean>;

  /** Keeps how an upload ended, for all processes and over a restart, though not over the loss of power. */
  rememberFinished(upload: FinishedUpload): Promise<void>;

  /** What is remembered of the upload. */
  findFinished(id: string): Promise<FinishedUpload | undefined>;

  /** Forgets the uploads that were remembered before `time`; resolves to how many. */
  forgetFinished(time: Date): Promise<number>;

  /**
   * Stores the whole `source` as a blob. Two puts of one digest store two keys; whose bytes count is for the caller
   * to decide. @throws DigestMismatch and then nothing is left.
   */
  put(digest: Digest, source: AsyncIterable<Uint8Array>): Promise<StoredBlob>;

  /** The bytes under `key`, all or a range. Opens lazily: nothing is read before the consumer pulls. @throws BlobNotFound */
  open(key: string, range?: ByteRange): Promise<Readable>;

  /** The size in bytes of what is stored under `key`. @throws BlobNotFound */
  size(key: string): Promise<number>;

  /**
   * A URL under which whoever has it can read the bytes under `key` for a time without Shiplog; only of stores that
   * clients can reach themselves. Nothing says that the bytes are there. @throws BlobNotFound for what is no key
   */
  presign?(
    key: string,
    options: { readonly method: 'GET' | 'HEAD'; readonly expiresInSeconds: number },
  ): Promise<string>;

  /** Removes the bytes under `key`; a key that holds nothing is no error, so that a delete can be repeated. */
  delete(key: string): Promise<void>;

  /** All stored keys in no particular order; entries that are not Shiplog's are skipped. */
  list(): AsyncIterable<{ readonly key: string; readonly digest: Digest; readonly storedAt: Date }>;

  close(): Promise<void>;
}

export class BlobNotFound extends Error {
  override readonly name = 'BlobNotFound';
}
export class UploadNotFound extends Error {
  override readonly name = 'UploadNotFound';
}
export class UploadExists extends Error {
  override readonly name = 'UploadExists';
}
export class UploadBusy extends Error {
  override readonly name = 'UploadBusy';
}

export class OffsetMismatch extends Error {
  override readonly name = 'OffsetMismatch';
  /** Where the upload ends, in bytes. */
  readonly end: number;
  constructor(end: number, options?: ErrorOptions) {
    super(`the upload ends at byte ${end}`, options);
    this.end = end;
  }
}

export class DigestMismatch extends Error {
  override readonly name = 'DigestMismatch';
  readonly expected: Digest;
  readonly actual: Digest;
  constructor(expected: Digest, actual: Digest, options?: ErrorOptions) {
    super(`the bytes have the digest ${actual}, not ${expected}`, options);
    this.expected = expected;
    this.actual = actual;
  }
}

/** The store keeps nothing so large, however much space it has. */
export class BlobTooLarge extends Error {
  override readonly name = 'BlobTooLarge';
}

/** The disk or the quota is full; what was written of the failed call is gone or can be resumed. */
export class StoreFull extends Error {
  override readonly name = 'StoreFull';
}
/** The medium cannot be reached or fails; `cause` is its own error. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
