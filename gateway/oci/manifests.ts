import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DeleteTag } from '../../commands/delete-tag.ts';
import type { PushManifest } from '../../commands/push-manifest.ts';
import type { RecordPull } from '../../commands/record-pulls.ts';
import type { ManifestAt } from '../../domain/artifact/decider.ts';
import { parseManifest } from '../../domain/artifact/manifest.ts';
import { algorithmOf, type Digest, digestFrom } from '../../domain/digest.ts';
import type { Metadata } from '../../domain/event.ts';
import { isMet, type TagCondition } from '../../domain/tag/decider.ts';
import { BlobNotFound, type BlobStore } from '../../infra/blob-store/port.ts';
import type { ManifestCache } from '../../infra/manifest-cache/port.ts';
import { RequestRefused } from '../errors.ts';
import type { Permit } from './access.ts';
import { readBytes } from './body.ts';
import { isUnchanged, readTagCondition } from './conditions.ts';
import { type Reference, readReference, readTag } from './paths.ts';
import { storedReader } from './stored-bytes.ts';
import { repositoryUnknown } from './tags.ts';

/** distribution-spec, "Pushing Manifests": a registry takes at least 4 MiB; this one takes no more. Bytes. */
const maxManifestBytes = 4 * 1024 * 1024;

/** More tags than this at once are refused with 414, as distribution-spec ("Pushing Manifests", end-7b) has it. */
const maxTagsAtOnce = 50;

export interface ManifestPorts {
  readonly permit: Permit;
  readonly store: BlobStore;
  /** Manifests that other processes have read; undefined where they share none. */
  readonly sharedManifests: ManifestCache | undefined;
  /** Reads within `work` show what was recorded before this call. */
  asOfNow<Result>(work: () => Result): Result;
  findTag(repository: string, tag: string): Promise<Digest | undefined>;
  findManifest(repository: string, digest: Digest): Promise<FoundManifest | undefined>;
  /** Resolves when a read of manifests, tags and repositories shows the push. */
  pushManifest(push: PushManifest, metadata: Metadata): Promise<bigint>;
  /** Resolves to whether it was there, when no read shows it any more. */
  deleteManifest(at: ManifestAt, metadata: Metadata): Promise<boolean>;
  deleteTag(tag: DeleteTag, metadata: Metadata): Promise<bigint>;
  readonly recordPull: RecordPull;
  repositoryExists(name: string): Promise<boolean>;
  /** Resolves when a read of manifests, tags and repositories shows what was recorded up to the position. */
  manifestsReached(position: bigint): Promise<void>;
}

interface FoundManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly key: string;
  /** It goes unless something needs it soon: who asks whether it is there has to push it again. */
  readonly condemned: boolean;
}

interface ManifestPath {
  Params: { name: string; reference: string };
  Querystring: { tag?: unknown };
}

/** distribution-spec, "Pulling manifests" (end-3), "Pushing Manifests" (end-7a, end-7b), "Deleting" (end-9). */
export function manifestRoutes(app: FastifyInstance, ports: ManifestPorts): void {
  const { permit, pushManifest, deleteManifest, deleteTag, manifestsReached } = ports;
  const read = storedReader(ports.store, undefined, ports.sharedManifests);

  async function find(repository: string, reference: Reference): Promise<FoundManifest> {
    const digest =
      reference.kind === 'digest' ? reference.digest : await ports.findTag(repository, reference.tag);
    const manifest = digest && (await ports.findManifest(repository, digest));
    if (manifest !== undefined) return manifest;
    throw unknown(reference);
  }

  /** What is answered for a manifest; the bytes of the body, if there is to be one, are read by `GET`. */
  const headersOf = ({ digest, mediaType, size }: FoundManifest) => ({
    'content-type': mediaType,
    'content-length': size,
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  });

  /** Answers 304 where the client has it already. */
  function answerUnchanged(request: FastifyRequest, reply: FastifyReply, { digest }: FoundManifest): boolean {
    if (!isUnchanged(request.headers['if-none-match'], digest)) return false;
    reply.code(304).headers({ 'docker-content-digest': digest, etag: `"${digest}"` });
    return true;
  }

  app.head<ManifestPath>('/v2/:name/manifests/:reference', async (request, reply) => {
    const { repository } = await permit(request, 'pull');
    const reference = readReference(request.params.reference);
    const manifest = await find(repository, reference);
    if (manifest.condemned) throw unknown(reference);
    if (answerUnchanged(request, reply, manifest)) return reply.send();
    return reply.headers(headersOf(manifest)).send();
  });

  app.get<ManifestPath>('/v2/:name/manifests/:reference', async (request, reply) => {
    const { repository, projectId, metadata } = await permit(request, 'pull');
    const reference = readReference(request.params.reference);
    const manifest = await find(repository, reference);
    // Who has it already pulls nothing.
    if (answerUnchanged(request, reply, manifest)) return reply.send();
    const bytes = await read(manifest).catch(async (error) => {
      // Deleted since it was found, and not lost?
      if (error instanceof BlobNotFound) await ports.asOfNow(() => find(repository, reference));
      throw error;
    });
    const tag = reference.kind === 'tag' ? { tag: reference.tag } : {};
    ports.recordPull({ repository, projectId, digest: manifest.digest, ...tag }, metadata);
    // Bytes and not a string: Fastify would add a charset to the media type, which clients compare.
    return reply.headers(headersOf(manifest)).send(bytes);
  });

  app.put<ManifestPath>('/v2/:name/manifests/:reference', async (request, reply) => {
    const { repository, metadata, confirm } = await permit(request, 'push');
    const reference = readReference(request.params.reference);
    const tags = readTags(reference, request.query.tag);
    const condition = readTagCondition(request.headers);
    const bytes = await readBytes(request, maxManifestBytes, tooLarge);
    const manifest = parseManifest(bytes, request.headers['content-type']);
    const digest = digestOf(bytes, reference);
    await confirm();
    if (condition !== undefined && tags.length === 0) await requireOf({ repository, digest }, condition);
    await pushManifest(
      { repository, digest, bytes, manifest, tags, ...(condition !== undefined && { condition }) },
      metadata,
    );
    const location = `/v2/${repository}/manifests/${digest}`;
    if (request.query.tag !== undefined) reply.header('oci-tag', tags);
    const subject = manifest.subject && { 'oci-subject': manifest.subject.digest };
    return reply
      .code(201)
      .headers({ location, 'docker-content-digest': digest, 'content-length': 0, ...subject })
      .send();
  });

  app.delete<ManifestPath>('/v2/:name/manifests/:reference', async (request, reply) => {
    const { repository, metadata } = await permit(request, 'delete');
    const reference = readReference(request.params.reference);
    if (!(await remove(repository, reference, metadata))) {
      if (await ports.repositoryExists(repository)) throw unknown(reference);
      throw repositoryUnknown(repository);
    }
    return reply.code(202).header('content-length', 0).send();
  });

  /** Where no tag is set, a condition is about the manifest itself. @throws RequestRefused 412 */
  async function requireOf({ repository, digest }: ManifestAt, condition: TagCondition): Promise<void> {
    const found = await ports.findManifest(repository, digest);
    const isThere = found !== undefined && !found.condemned;
    if (isMet(condition, isThere ? digest : null)) return;
    const message = `the manifest ${digest} ${isThere ? 'is there already' : 'is not there'}`;
    throw new RequestRefused({ status: 412, code: 'DENIED', message });
  }

  async function remove(repository: string, reference: Reference, metadata: Metadata): Promise<boolean> {
    if (reference.kind === 'digest')
      return deleteManifest({ repository, digest: reference.digest }, metadata);
    const { tag } = reference;
    const digest = await ports.findTag(repository, tag);
    if (digest === undefined) return false;
    await manifestsReached(await deleteTag({ repository, tag }, metadata));
    return true;
  }
}

const unknown = (reference: Reference): RequestRefused => {
  const name = reference.kind === 'digest' ? reference.digest : reference.tag;
  return new RequestRefused({ status: 404, code: 'MANIFEST_UNKNOWN', message: `manifest unknown: ${name}` });
};

/** The tags that a push sets: that of the path, or those of the query of a push by digest. @throws RequestRefused */
function readTags(reference: Reference, query: unknown): readonly string[] {
  if (query === undefined) return reference.kind === 'tag' ? [reference.tag] : [];
  const texts: readonly unknown[] = Array.isArray(query) ? query : [query];
  if (reference.kind === 'tag') {
    const message = 'tag= is for a push by digest; this one names a tag in its path';
    throw new RequestRefused({ status: 400, code: 'TAG_INVALID', message });
  }
  const tags = [...new Set(texts.map(readTag))];
  if (tags.length <= maxTagsAtOnce) return tags;
  const message = `a push sets at most ${maxTagsAtOnce} tags`;
  throw new RequestRefused({ status: 414, code: 'TAG_INVALID', message });
}

/** @throws RequestRefused 400 when the bytes have not the digest that they are pushed under. */
function digestOf(bytes: Uint8Array, reference: Reference): Digest {
  const algorithm = reference.kind === 'digest' ? algorithmOf(reference.digest) : 'sha256';
  const digest = digestFrom(algorithm, createHash(algorithm).update(bytes).digest('hex'));
  if (reference.kind === 'tag' || reference.digest === digest) return digest;
  const message = `the manifest has the digest ${digest}, not ${reference.digest}`;
  throw new RequestRefused({ status: 400, code: 'DIGEST_INVALID', message });
}

const tooLarge = () =>
  new RequestRefused({
    status: 413,
    code: 'SIZE_INVALID',
    message: `a manifest has at most ${maxManifestBytes} bytes`,
  });
