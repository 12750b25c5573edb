import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { StoreBlob } from '../../domain/blob/decider.ts';
import type { Digest } from '../../domain/digest.ts';
import type { Metadata } from '../../domain/event.ts';
import {
  type BlobStore,
  OffsetMismatch,
  type StoredBlob,
  type Upload,
  UploadBusy,
  UploadNotFound,
} from '../../infra/blob-store/port.ts';
import type { Permit, Permitted } from './access.ts';
import { bodyStream } from './body.ts';
import { readDigest } from './paths.ts';
import { readChunkStart } from './ranges.ts';

export interface UploadPorts {
  readonly permit: Permit;
  readonly store: BlobStore;
  storeBlob(blob: StoreBlob, metadata: Metadata): Promise<bigint>;
  /** Resolves when a read of blobs shows what was recorded up to the position. */
  blobsReached(position: bigint): Promise<void>;
}

interface StartPath {
  Params: { name: string };
  Querystring: { digest?: unknown };
}

interface SessionPath {
  Params: { name: string; session: string };
  Querystring: { digest?: unknown };
}

const sessionId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** distribution-spec, "Pushing blobs" (end-4a, end-4b, end-5, end-6, end-13) and cancelling (end-14). */
export function uploadRoutes(app: FastifyInstance, ports: UploadPorts): void {
  const { permit, store, storeBlob, blobsReached } = ports;

  async function findOwn(request: FastifyRequest<SessionPath>, repository: string): Promise<Upload> {
    const { session } = request.params;
    const upload = sessionId.test(session) ? await store.findUpload(session) : undefined;
    // An upload of another repository is as unknown here as one that never was.
    if (upload?.repository !== repository) throw new UploadNotFound(session);
    return upload;
  }

  async function complete(reply: FastifyReply, { repository, metadata }: Permitted, stored: StoredBlob) {
    const { digest } = stored;
    await blobsReached(await storeBlob({ ...stored, repository }, metadata));
    const location = `/v2/${repository}/blobs/${digest}`;
    return reply.code(201).headers({ location, 'docker-content-digest': digest, 'content-length': 0 }).send();
  }

  /** Writes the request's body; where it does not fit, answers with where the upload ends, so that it can go on. */
  async function append(request: FastifyRequest, { id, size }: Upload): Promise<number> {
    const { 'content-range': range, 'content-length': length } = request.headers;
    const start = readChunkStart(range, length, size);
    if (length === '0' && start === size) return size;
    return store.appendToUpload(id, start, bodyStream(request));
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

  async function start(request: FastifyRequest<StartPath>, reply: FastifyReply) {
    const permitted = await permit(request, 'push');
    const { repository, metadata } = permitted;
    if (request.query.digest !== undefined) {
      const digest = readDigest(request.query.digest);
      return complete(reply, permitted, await store.put(digest, bodyStream(request)));
    }
    const id = randomUUID();
    await store.createUpload(id, { repository, startedBy: metadata.actor });
    return answer(reply, 202, repository, id, 0);
  }
  app.post<StartPath>('/v2/:name/blobs/uploads/', start);
  app.post<StartPath>('/v2/:name/blobs/uploads', start);

  app.get<SessionPath>('/v2/:name/blobs/uploads/:session', async (request, reply) => {
    const { repository } = await permit(request, 'push');
    const { id, size } = await findOwn(request, repository);
    return answer(reply, 204, repository, id, size);
  });

  app.patch<SessionPath>('/v2/:name/blobs/uploads/:session', async (request, reply) => {
    const { repository } = await permit(request, 'push');
    const upload = await findOwn(request, repository);
    try {
      return answer(reply, 202, repository, upload.id, await append(request, upload));
    } catch (error) {
      await tellEnd(reply, repository, upload.id, error);
      throw error;
    }
  });

  app.put<SessionPath>('/v2/:name/blobs/uploads/:session', async (request, reply) => {
    const permitted = await permit(request, 'push');
    const { repository } = permitted;
    const upload = await findOwn(request, repository);
    const digest: Digest = readDigest(request.query.digest);
    let stored: StoredBlob;
    try {
      await append(request, upload);
      stored = await store.finishUpload(upload.id, digest);
    } catch (error) {
      await tellEnd(reply, repository, upload.id, error);
      throw error;
    }
    return complete(reply, permitted, stored);
  });

  app.delete<SessionPath>('/v2/:name/blobs/uploads/:session', async (request, reply) => {
    const { repository } = await permit(request, 'push');
    const { id } = await findOwn(request, repository);
    await store.cancelUpload(id);
    return reply.code(204).send();
  });
}

function placeHeaders(repository: string, id: string, size: number) {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    'docker-upload-uuid': id,
    // The last byte, not the size; nothing yet is `0-0` as well, since clients take no negative number.
    range: `0-${Math.max(0, size - 1)}`,
  };
}
