import { createHash } from 'node:crypto';
import { type ArtifactEvent, artifactStream } from '../../domain/artifact/events.ts';
import { type BlobEvent, blobStream } from '../../domain/blob/events.ts';
import { type Digest, digestFrom, hexOf } from '../../domain/digest.ts';
import type { Metadata } from '../../domain/event.ts';
import { type TagEvent, tagStream } from '../../domain/tag/events.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import type { Append } from '../../infra/event-log/port.ts';

const layersPerImage = 3;
const imagesPerRepository = 50;

const digestOf = (text: string): Digest =>
  digestFrom('sha256', createHash('sha256').update(text).digest('hex'));

/** What a build server leaves behind; with the data of a tag's event about 400 bytes. */
const metadataOf = (request: string): Metadata => ({
  actor: 'user:admin',
  requestId: request,
  correlationId: request,
  clientIp: '10.20.30.40',
  userAgent: 'containers/5.32.2 (github.com/containers/image)',
});

function append(stream: string, ...events: readonly (ArtifactEvent | BlobEvent | TagEvent)[]): Append {
  const metadata = metadataOf(newEventId());
  return {
    stream,
    expectedRevision: 'none',
    events: events.map(({ type, data }) => ({ id: newEventId(), type, version: 1, data, metadata })),
  };
}

/** One event on a stream of its own. `run` and `index` make it another stream than every other call. */
export function oneEvent(run: string, index: number): Append {
  const repository = `library/${run}-${index % 100}`;
  if (index % 2 === 0) {
    return assignedTag(repository, `1.${index}`);
  }
  const digest = digestOf(`${run} ${index}`);
  return append(blobStream(digest), {
    type: 'BlobStored',
    data: { digest, size: index, key: keyOf(digest) },
  });
}

export const assignedTag = (repository: string, tag: string): Append =>
  append(tagStream(repository, tag), {
    type: 'TagAssigned',
    data: { repository, tag, digest: digestOf(`${repository} ${tag}`) },
  });

/** A manifest of `repository` without any blob that `tag` points at. */
export const taggedManifest = (repository: string, tag: string): Append[] => [
  pushedManifest(repository, digestOf(`${repository} ${tag}`)),
  assignedTag(repository, tag),
];

/** A manifest of `repository` without any blob. */
export function pushedManifest(repository: string, digest = digestOf(`manifest ${repository}`)): Append {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  return append(artifactStream(repository, digest), {
    type: 'ManifestPushed',
    data: {
      ...{ repository, digest, mediaType, size: 900, key: keyOf(digest) },
      ...{ config: descriptorOf(repository), layers: [], manifests: [], mentions: [], attributes: {} },
    },
  });
}

const descriptorOf = (name: string) => ({
  mediaType: 'application/vnd.oci.image.config.v1+json',
  digest: digestOf(`config ${name}`),
  size: 1000,
});

const keyOf = (digest: Digest): string =>
  `sha256/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}/${newEventId()}`;

/** What the push of the image `index` records: its blobs, its manifest, its tag; ten events. */
export function pushedImage(index: number): Append[] {
  const { repository, tag } = nameOfImage(index);
  const [config, ...layers] = Array.from({ length: layersPerImage + 1 }, (_, n) => ({
    mediaType: `application/vnd.oci.image.${n === 0 ? 'config.v1+json' : 'layer.v1.tar+gzip'}`,
    digest: digestOf(`blob ${index} ${n}`),
    size: 1000 + n,
  }));
  if (config === undefined) throw new Error('an image has a config');
  const digest = digestOf(`manifest ${index}`);
  return [
    ...[config, ...layers].map(({ digest, size }) =>
      append(
        blobStream(digest),
        { type: 'BlobStored', data: { digest, size, key: keyOf(digest) } },
        { type: 'BlobLinked', data: { digest, repository } },
      ),
    ),
    append(artifactStream(repository, digest), {
      type: 'ManifestPushed',
      data: {
        repository,
        digest,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        size: 900,
        key: keyOf(digest),
        config,
        layers,
        manifests: [],
        mentions: [],
        attributes: {},
      },
    }),
    append(tagStream(repository, tag), { type: 'TagAssigned', data: { repository, tag, digest } }),
  ];
}

/** Where `pushedImage` puts the image `index`. */
export const nameOfImage = (index: number) => ({
  repository: `library/service-${Math.floor(index / imagesPerRepository)}`,
  tag: `1.${index % imagesPerRepository}`,
});

export const eventsPerImage = 2 * (layersPerImage + 1) + 2;
