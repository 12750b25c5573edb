import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { PushManifest } from '../../commands/push-manifest.ts';
import { parseManifest } from '../../domain/artifact/manifest.ts';
import { algorithmOf, type Digest, digestFrom } from '../../domain/digest.ts';
import type { Metadata } from '../../domain/event.ts';
import type { BlobStore } from '../../infra/blob-store/port.ts';
import { RequestRefused } from '../errors.ts';
import type { Permit } from './access.ts';
import { bodyStream } from './body.ts';
import { type Reference, readReference } from './paths.ts';
import { manifestReader } from './stored-manifests.ts';

/** distribution-spec, "Pushing Manifests": a registry takes at least 4 MiB; this one takes no more. Bytes. */
const maxManifestBytes = 4 * 1024 * 1024;

export interface ManifestPorts {
  readonly permit: Permit;
  readonly store: BlobStore;
  findTag(repository: string, tag: string): Promise<Digest | undefined>;
  findManifest(
    repository: string,
    digest: Digest,
  ): Promise<
    | { readonly digest: Digest; readonly mediaType: string; readonly size: number; readonly key: string }
    | undefined
  >;
  pushManifest(push: PushManifest, metadata: Metadata): Promise<bigint>;
  /** Resolves when a read of manifests, tags and repositories shows what was recorded up to the position. */
  manifestsReached(position: bigint): Promise<void>;
}

interface ManifestPath {
  Params: { name: string; reference: string };
}

/** distribution-spec, "Pulling manifests" (end-3) and "Pushing Manifests" (end-7a). */
export function manifestRoutes(app: FastifyInstance, ports: ManifestPorts): void {
  const { permit, pushManifest, manifestsReached } = ports;
  const read = manifestReader(ports.store);

  async function find(repository: string, reference: Reference) {
    const digest =
      reference.kind === 'digest' ? reference.digest : await ports.findTag(repository, reference.tag);
    const manifest = digest && (await ports.findManifest(repository, digest));
    if (manifest !== undefined) return manifest;
    const name = reference.kind === 'digest' ? reference.digest : reference.tag;
    throw new RequestRefused({ status: 404, code: 'MANIFEST_UNKNOWN', message: `manifest unknown: ${name}` });
  }

  async function findAsked(request: FastifyRequest<ManifestPath>) {
    const { repository } = await permit(request, 'pull');
    const manifest = await find(repository, readReference(request.params.reference));
    const { digest, mediaType, size } = manifest;
    const headers = {
      'content-type': mediaType,
      'content-length': size,
      'docker-content-digest': digest,
      etag: `"${digest}"`,
    };
    return { manifest, headers };
  }

  app.head<ManifestPath>('/v2/:name/manifests/:reference', async (request, reply) => {
    const { headers } = await findAsked(request);
    return reply.headers(headers).send();
  });

  app.get<ManifestPath>('/v2/:name/manifests/:reference', async (request, reply) => {
    const { manifest, headers } = await findAsked(request);
    // Before the headers, which would stay on the answer of an error.
    const bytes = await read(manifest);
    // Bytes and not a string: Fastify would add a charset to the media type, which clients compare.
    return reply.headers(headers).send(bytes);
  });

  app.put<ManifestPath>('/v2/:name/manifests/:reference', async (request, reply) => {
    const { repository, metadata } = await permit(request, 'push');
    const reference = readReference(request.params.reference);
    const bytes = await readManifest(request);
    const manifest = parseManifest(bytes, request.headers['content-type']);
    const digest = digestOf(bytes, reference);
    const push = { repository, digest, bytes, manifest };
    const position = await pushManifest(
      reference.kind === 'tag' ? { ...push, tag: reference.tag } : push,
      metadata,
    );
    await manifestsReached(position);
    const location = `/v2/${repository}/manifests/${digest}`;
    const subject = manifest.subject && { 'oci-subject': manifest.subject.digest };
    return reply
      .code(201)
      .headers({ location, 'docker-content-digest': digest, 'content-length': 0, ...subject })
      .send();
  });
}

/** @throws RequestRefused 400 when the bytes have not the digest that they are pushed under. */
function digestOf(bytes: Uint8Array, reference: Reference): Digest {
  const algorithm = reference.kind === 'digest' ? algorithmOf(reference.digest) : 'sha256';
  const digest = digestFrom(algorithm, createHash(algorithm).update(bytes).digest('hex'));
  if (reference.kind === 'tag' || reference.digest === digest) return digest;
  const message = `the manifest has the digest ${digest}, not ${reference.digest}`;
  throw new RequestRefused({ status: 400, code: 'DIGEST_INVALID', message });
}

/** @throws RequestRefused 413 as soon as it is certain that the body is too large. */
async function readManifest(request: FastifyRequest): Promise<Uint8Array> {
  const tooLarge = new RequestRefused({
    status: 413,
    code: 'SIZE_INVALID',
    message: `a manifest has at most ${maxManifestBytes} bytes`,
  });
  if (Number(request.headers['content-length'] ?? 0) > maxManifestBytes) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyStream(request)) {
    size += chunk.length;
    if (size > maxManifestBytes) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
