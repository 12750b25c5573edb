import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { BlobAt } from '../../domain/blob/decider.ts';
import type { Digest } from '../../domain/digest.ts';
import type { Metadata } from '../../domain/event.ts';
import { BlobNotFound, type BlobStore, type ByteRange } from '../../infra/blob-store/port.ts';
import { RequestRefused } from '../errors.ts';
import type { Permit } from './access.ts';
import { isSameContent, isUnchanged } from './conditions.ts';
import { readDigest } from './paths.ts';
import { readRange, wholeRange } from './ranges.ts';
import { type Stored, storedReader } from './stored-bytes.ts';

export interface BlobPorts {
  readonly permit: Permit;
  readonly store: BlobStore;
  /** Whether to send clients to the store itself, where it can be reached by a signed URL. */
  readonly redirectPulls: boolean;
  /** Reads within `work` show what was recorded before this call. */
  asOfNow<Result>(work: () => Result): Result;
  findBlob(repository: string, digest: Digest): Promise<FoundBlob | undefined>;
  /** Resolves to whether the repository held it, when no read shows it any more. */
  deleteBlob(at: BlobAt, metadata: Metadata): Promise<boolean>;
}

interface FoundBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly key: string;
  /** It goes unless something needs it soon: who asks whether it is there has to upload it again. */
  readonly condemned: boolean;
}

/** Of configs and other small blobs the bytes are kept: to open a file costs more than all else of a request. */
const smallBytes = 64 * 1024;

/** Long enough for a client to begin; a transfer that has begun goes on after it. */
const urlSeconds = 20 * 60;

interface BlobPath {
  Params: { name: string; digest: string };
}

/** distribution-spec, "Pulling blobs" (end-2) and "Deleting Blobs" (end-10). */
export function blobRoutes(app: FastifyInstance, ports: BlobPorts): void {
  const { permit, store, asOfNow, findBlob, deleteBlob, redirectPulls } = ports;

  const readSmall = storedReader(store);
  const open = (blob: Stored, range: ByteRange | undefined): Promise<Readable | Buffer> =>
    range === undefined && blob.size <= smallBytes
      ? readSmall(blob)
      : store.open(blob.key, range ?? wholeRange(blob.size));

  async function findReadable(repository: string, digest: Digest) {
    const blob = await findBlob(repository, digest);
    if (blob !== undefined) return blob;
    throw unknown(digest);
  }

  const headersOf = (digest: Digest) => ({
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'accept-ranges': 'bytes',
    // The bytes under a digest never change; what a browser makes of them is not ours to trust.
    'cache-control': 'max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'",
  });

  /** Without the headers that speak of content, which a 304 has none of (RFC 9110 section 15.4.5). */
  function sayUnchanged(reply: FastifyReply, digest: Digest) {
    const { etag, 'docker-content-digest': of, 'cache-control': cache } = headersOf(digest);
    return reply.code(304).headers({ etag, 'docker-content-digest': of, 'cache-control': cache }).send();
  }

  app.head<BlobPath>('/v2/:name/blobs/:digest', async (request, reply) => {
    const { repository } = await permit(request, 'pull');
    const { digest, size, condemned } = await findReadable(repository, readDigest(request.params.digest));
    if (condemned) throw unknown(digest);
    if (isUnchanged(request.headers['if-none-match'], digest)) return sayUnchanged(reply, digest);
    return reply.headers({ ...headersOf(digest), 'content-length': size }).send();
  });

  app.get<BlobPath>('/v2/:name/blobs/:digest', async (request, reply) => {
    const { repository } = await permit(request, 'pull');
    const { digest, size, key } = await findReadable(repository, readDigest(request.params.digest));
    const { range: asked, 'if-none-match': known, 'if-range': part } = request.headers;
    if (isUnchanged(known, digest)) return sayUnchanged(reply, digest);
    if (redirectPulls && store.presign) {
      const url = await store.presign(key, { method: 'GET', expiresInSeconds: urlSeconds });
      // Whoever has the URL may read, so no cache may hand it on. A range is asked of the store again.
      return reply
        .code(307)
        .headers({ location: url, 'cache-control': 'no-store', 'content-length': 0 })
        .send();
    }
    const range = isSameContent(part?.toString(), digest) ? readRange(asked, size) : undefined;
    // Before the headers: they would stay on the answer of an error.
    const bytes = await open({ digest, key, size }, range).catch(async (error) => {
      // Deleted since it was found, and not lost?
      if (error instanceof BlobNotFound) await asOfNow(() => findReadable(repository, digest));
      throw error;
    });
    reply.headers(headersOf(digest));
    if (range === undefined) return reply.header('content-length', size).send(bytes);
    return reply
      .code(206)
      .header('content-length', range.end - range.start + 1)
      .header('content-range', `bytes ${range.start}-${range.end}/${size}`)
      .send(bytes);
  });

  app.delete<BlobPath>('/v2/:name/blobs/:digest', async (request, reply) => {
    const { repository, metadata } = await permit(request, 'delete');
    const digest = readDigest(request.params.digest);
    if (!(await deleteBlob({ repository, digest }, metadata))) throw unknown(digest);
    return reply.code(202).header('content-length', 0).send();
  });
}

const unknown = (digest: Digest): RequestRefused =>
  new RequestRefused({
    status: 404,
    code: 'BLOB_UNKNOWN',
    message: 'blob unknown to registry',
    details: [{ digest }],
  });
