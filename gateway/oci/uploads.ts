import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type AnnouncedBlob, isExceeded, type PushedContent } from '../../commands/keep-quotas.ts';
import type { StoreBlob } from '../../domain/blob/decider.ts';
import { type Digest, isDigestAlgorithm } from '../../domain/digest.ts';
import type { Metadata } from '../../domain/event.ts';
import { Refusal } from '../../domain/refusal.ts';
import {
  BlobNotFound,
  type BlobStore,
  DigestMismatch,
  OffsetMismatch,
  type StoredBlob,
  StoreFull,
  StoreUnavailable,
  type Upload,
  type UploadAttributes,
  UploadBusy,
  UploadNotFound,
} from '../../infra/blob-store/port.ts';
import { RoomClaimed } from '../../infra/quota-claims/port.ts';
import { RequestRefused } from '../errors.ts';
import type { Permit, Permitted } from './access.ts';
import type { BlobPorts } from './blobs.ts';
import { bodyStream } from './body.ts';
import { type MountPorts, mount } from './mounts.ts';
import { readDigest } from './paths.ts';
import { readChunkStart } from './ranges.ts';
import { uploadSlots } from './upload-slots.ts';

export interface UploadPorts extends MountPorts {
  readonly permit: Permit;
  readonly store: BlobStore;
  /** How many uploads one account may have open. */
  readonly maxOpenUploads: number;
  readonly findBlob: BlobPorts['findBlob'];
  storeBlob(blob: StoreBlob, metadata: Metadata): Promise<bigint>;
  /** Runs `work` while the project has room for the content. @throws Refusal `quota-exceeded` and RoomClaimed, before it begins. */
  withinQuota<Result>(
    content: PushedContent,
    metadata: Metadata,
    work: () => Promise<Result>,
  ): Promise<Result>;
  /** @throws Refusal `quota-exceeded` where a blob of at least its size does not fit. */
  requireRoom(blob: AnnouncedBlob, metadata: Metadata): Promise<void>;
  /** As `storeBlob`; undefined where the bytes were recorded before, and are not held any more or damaged. */
  recoverBlob(blob: StoreBlob, metadata: Metadata): Promise<bigint | undefined>;
  /** Resolves when a read of blobs shows what was recorded up to the position. */
  blobsReached(position: bigint): Promise<void>;
}

interface StartPath {
  Params: { name: string };
  Querystring: { digest?: unknown; mount?: unknown; from?: unknown; 'digest-algorithm'?: unknown };
}

interface SessionPath {
  Params: { name: string; session: string };
  Querystring: { digest?: unknown };
}

const sessionId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** distribution-spec, "Pushing blobs" (end-4a to end-6, end-11, end-13) and cancelling (end-14). */
export function uploadRoutes(app: FastifyInstance, ports: UploadPorts): void {
  const { permit, store, storeBlob, blobsReached } = ports;
  const slots = uploadSlots({
    limit: ports.maxOpenUploads,
    listUploads: () => store.listUploads(),
    now: () => performance.now(),
  });
  /** The closing requests that are past their body, by session. */
  const closing = new Map<string, Promise<unknown>>();

  async function findOwn(request: FastifyRequest<SessionPath>, permitted: Permitted): Promise<Upload> {
    const { session } = request.params;
    const upload = sessionId.test(session) ? await store.findUpload(session) : undefined;
    if (upload === undefined || !isOwn(upload, permitted)) throw new UploadNotFound(session);
    return upload;
  }

  function created(reply: FastifyReply, repository: string, digest: Digest) {
    const location = `/v2/${repository}/blobs/${digest}`;
    return reply.code(201).headers({ location, 'docker-content-digest': digest, 'content-length': 0 }).send();
  }

  async function record({ repository, metadata, confirm }: Permitted, stored: StoredBlob): Promise<void> {
    try {
      await confirm();
    } catch (error) {
      // After an outage the client sends the request again, and finds the bytes.
      if (error instanceof RequestRefused || error instanceof Refusal) await store.delete(stored.key);
      throw error;
    }
    await blobsReached(await storeBlob({ ...stored, repository }, metadata));
  }

  /** Writes the request's body; where it does not fit, answers with where the upload ends, so that it can go on. */
  async function append(
    request: FastifyRequest,
    permitted: Permitted,
    { id, size }: Upload,
    digest?: Digest,
  ): Promise<number> {
    const { 'content-range': range, 'content-length': length } = request.headers;
    const start = readChunkStart(range, length, size);
    if (length === '0' && start === size) return size;
    try {
      return await store.appendToUpload(id, start, await bodyWithinRoom(request, permitted, start, digest));
    } catch (error) {
      if (isExceeded(error)) await cancel(id);
      throw error;
    }
  }

  /**
   * The body, as long as the project has room for as much as has come of the blob, so that a project that is full takes
   * no bytes that it cannot keep. @throws Refusal `quota-exceeded`, also while it is read.
   */
  async function bodyWithinRoom(
    request: FastifyRequest,
    { repository, metadata }: Permitted,
    start: number,
    digest: Digest | undefined,
  ): Promise<AsyncIterable<Uint8Array>> {
    const check = (size: number) => ports.requireRoom({ repository, digest, size }, metadata);
    const length = Number(request.headers['content-length'] ?? 0);
    await check(start + length);
    const body = bodyStream(request);
    return length > 0 ? body : watched(body, start, check);
  }

  /**
   * Closes the upload where there is room for it. While it is not closed nobody can have recorded it, so that one that is
   * refused can go at once.
   */
  async function closeWithinQuota(
    request: FastifyRequest,
    permitted: Permitted,
    upload: Upload,
    digest: Digest,
  ): Promise<void> {
    const { repository, metadata } = permitted;
    const content = { kind: 'blob', repository, digest, size: upload.size } as const;
    try {
      await ports.withinQuota(content, metadata, () => close(request, permitted, upload, digest));
    } catch (error) {
      if (isExceeded(error)) await cancel(upload.id);
      // A client that sends the request again would put its bytes behind themselves, were the upload still open.
      if (error instanceof RoomClaimed) await finishUnrecorded(request, upload, digest);
      throw error;
    }
  }

  async function cancel(id: string): Promise<void> {
    try {
      await store.cancelUpload(id);
    } catch (error) {
      // Another request has ended it.
      if (!(error instanceof UploadNotFound)) throw error;
    }
    slots.release(id);
  }

  /** Turns the upload into a blob, and keeps in mind that it did, for a client that does not get to see the answer. */
  async function finish(request: FastifyRequest, upload: Upload, digest: Digest) {
    let blob: StoredBlob;
    try {
      blob = await store.finishUpload(upload.id, digest);
    } catch (error) {
      if (error instanceof DigestMismatch) slots.release(upload.id);
      throw error;
    }
    slots.release(upload.id);
    const { id, repository, projectId, startedBy } = upload;
    const remembered = store
      .rememberFinished({ id, repository, projectId, startedBy, blob })
      .catch((error: unknown) => {
        // The blob is there all the same; only a repeated request will not be known.
        if (!(error instanceof StoreUnavailable || error instanceof StoreFull)) throw error;
        request.log.warn({ err: error }, 'a finished upload cannot be kept in mind');
      });
    return { blob, remembered };
  }

  async function close(request: FastifyRequest, permitted: Permitted, upload: Upload, digest: Digest) {
    const { blob, remembered } = await finish(request, upload, digest);
    await Promise.all([record(permitted, blob), remembered]);
  }

  async function finishUnrecorded(request: FastifyRequest, upload: Upload, digest: Digest): Promise<void> {
    try {
      await (await finish(request, upload, digest)).remembered;
    } catch (error) {
      // It had been turned into a blob before there was no room.
      if (!(error instanceof UploadNotFound)) throw error;
    }
  }

  /** Answers a closing PUT that is sent again as it was, or would have been, answered the first time. */
  async function repeat(request: FastifyRequest<SessionPath>, reply: FastifyReply, permitted: Permitted) {
    const { session } = request.params;
    await Promise.allSettled([closing.get(session)]);
    const finished = sessionId.test(session) ? await store.findFinished(session) : undefined;
    const blob = finished && isOwn(finished, permitted) ? finished.blob : undefined;
    if (blob === undefined || blob.digest !== request.query.digest) throw new UploadNotFound(session);
    const { repository } = permitted;
    const found = await ports.findBlob(repository, blob.digest);
    if (found === undefined || found.condemned) await recover(permitted, blob, session);
    return created(reply, repository, blob.digest);
  }

  /** For what was stored but never recorded, since the log was away or the process died; or was deleted since. */
  async function recover({ repository, metadata }: Permitted, blob: StoredBlob, session: string) {
    try {
      await store.size(blob.key);
    } catch (error) {
      if (error instanceof BlobNotFound) throw new UploadNotFound(session, { cause: error });
      throw error;
    }
    const position = await ports.recoverBlob({ ...blob, repository }, metadata);
    if (position === undefined) throw new UploadNotFound(session);
    await blobsReached(position);
  }

  const answer = (reply: FastifyReply, status: number, repository: string, id: string, size: number) =>
    reply
      .code(status)
      .headers(placeHeaders(repository, id, size))
      .header('content-length', 0)
      .send();

  /** Tells a client whose chunk is refused where the upload ends, beside the answer of the error, so that it can go on. */
  async function tellEnd(reply: FastifyReply, repository: string, id: string, error: unknown): Promise<void> {
    if (error instanceof OffsetMismatch) reply.headers(placeHeaders(repository, id, error.end));
    if (error instanceof UploadBusy)
      reply.headers(placeHeaders(repository, id, (await store.findUpload(id)).size));
  }

  async function open(reply: FastifyReply, { repository, projectId, metadata }: Permitted) {
    const id = randomUUID();
    const attributes = { repository, projectId, startedBy: metadata.actor };
    await slots.open(metadata.actor, id, () => store.createUpload(id, attributes));
    return answer(reply, 202, repository, id, 0);
  }

  async function start(request: FastifyRequest<StartPath>, reply: FastifyReply) {
    const permitted = await permit(request, 'push');
    const { repository } = permitted;
    const { digest, mount: wanted, from, 'digest-algorithm': algorithm } = request.query;
    requireAlgorithm(algorithm);
    requirePlain(request.query);
    if (wanted !== undefined) {
      const mounted = readDigest(wanted);
      const position = await mount(ports, request, permitted, mounted, from);
      if (position === undefined) return open(reply, permitted);
      await blobsReached(position);
      return created(reply, repository, mounted);
    }
    if (digest === undefined) return open(reply, permitted);
    const claimed = readDigest(digest);
    const body = await bodyWithinRoom(request, permitted, 0, claimed);
    await record(permitted, await store.put(claimed, body));
    return created(reply, repository, claimed);
  }
  app.post<StartPath>('/v2/:name/blobs/uploads/', start);
  app.post<StartPath>('/v2/:name/blobs/uploads', start);

  app.get<SessionPath>('/v2/:name/blobs/uploads/:session', async (request, reply) => {
    const permitted = await permit(request, 'push');
    const { id, size } = await findOwn(request, permitted);
    return answer(reply, 204, permitted.repository, id, size);
  });

  app.patch<SessionPath>('/v2/:name/blobs/uploads/:session', async (request, reply) => {
    const permitted = await permit(request, 'push');
    const { repository } = permitted;
    const upload = await findOwn(request, permitted);
    try {
      return answer(reply, 202, repository, upload.id, await append(request, permitted, upload));
    } catch (error) {
      await tellEnd(reply, repository, upload.id, error);
      throw error;
    }
  });

  app.put<SessionPath>('/v2/:name/blobs/uploads/:session', async (request, reply) => {
    const permitted = await permit(request, 'push');
    const { repository } = permitted;
    let upload: Upload;
    try {
      upload = await findOwn(request, permitted);
    } catch (error) {
      if (error instanceof UploadNotFound) return repeat(request, reply, permitted);
      throw error;
    }
    const digest: Digest = readDigest(request.query.digest);
    const { id } = upload;
    try {
      const size = await append(request, permitted, upload, digest);
      const closed = closeWithinQuota(request, permitted, { ...upload, size }, digest);
      // The first one keeps its place: the others fail at once.
      if (!closing.has(id)) closing.set(id, closed);
      try {
        await closed;
      } finally {
        if (closing.get(id) === closed) closing.delete(id);
      }
    } catch (error) {
      if (error instanceof UploadNotFound) return repeat(request, reply, permitted);
      if (error instanceof UploadBusy && closing.has(id)) {
        await Promise.allSettled([closing.get(id)]);
        // Gone unless that request failed before the end, and then there is still an upload to go on with.
        if ((await store.findFinished(id)) !== undefined) return repeat(request, reply, permitted);
      }
      await tellEnd(reply, repository, id, error);
      throw error;
    }
    return created(reply, repository, digest);
  });

  app.delete<SessionPath>('/v2/:name/blobs/uploads/:session', async (request, reply) => {
    const permitted = await permit(request, 'push');
    const { id } = await findOwn(request, permitted);
    await store.cancelUpload(id);
    slots.release(id);
    return reply.code(204).send();
  });
}

/**
 * An upload of another repository or of another account is as unknown here as one that never was, and so is one of an
 * earlier project of the name.
 */
const isOwn = (upload: UploadAttributes, { repository, projectId, metadata }: Permitted): boolean =>
  upload.repository === repository && upload.projectId === projectId && upload.startedBy === metadata.actor;

/**
 * distribution-spec, "Pushing a blob" (end-4c): the algorithm of the digest that will close the upload. It only has to
 * be one that there is; the digest says it again. @throws RequestRefused 400
 */
function requireAlgorithm(name: unknown): void {
  if (name === undefined || isDigestAlgorithm(name)) return;
  const message = 'digest-algorithm is sha256 or sha512, given once';
  throw new RequestRefused({ status: 400, code: 'DIGEST_INVALID', message });
}

/** Refuses what other servers read as a list or a map, rather than take it for a request without a digest. */
function requirePlain(query: object): void {
  if (Object.keys(query).some((name) => /^(?:digest|mount)\[/.test(name))) readDigest(undefined);
}

/** How many bytes pass between two checks. */
const checkedBytes = 16 * 2 ** 20;

/** The body, with a check of its size so far, `start` included, now and then. */
async function* watched(
  body: AsyncIterable<Uint8Array>,
  start: number,
  check: (size: number) => Promise<void>,
): AsyncGenerator<Uint8Array, void> {
  let size = start;
  let checkAt = start + checkedBytes;
  for await (const chunk of body) {
    size += chunk.length;
    if (size >= checkAt) {
      await check(size);
      checkAt = size + checkedBytes;
    }
    yield chunk;
  }
}

function placeHeaders(repository: string, id: string, size: number) {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    'docker-upload-uuid': id,
    // The last byte, not the size; nothing yet is `0-0` as well, since clients take no negative number.
    range: `0-${Math.max(0, size - 1)}`,
  };
}
