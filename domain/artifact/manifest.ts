import { z } from 'zod';
import { type ChildDescriptor, type Descriptor, descriptor, platform } from '../descriptor.ts';
import { type Digest, parseDigest } from '../digest.ts';
import { Refusal } from '../refusal.ts';
import { parseStrictJson } from './strict-json.ts';

export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  /** Of the release candidates of image-spec 1.1; withdrawn, but still pushed by tools of that time. */
  ociArtifact: 'application/vnd.oci.artifact.manifest.v1+json',
} as const;

const images: readonly string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest];
const indexes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerList];
/** Signed in a way that nobody checks any more, and without sizes; every client has had schema 2 since 2016. */
const schemaOne: readonly string[] = [
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
];
/** What may be a manifest of a type that Shiplog does not know (RFC 6838, vendor tree or `+json`). */
const unknownType = /^application\/(?:vnd\.[a-z0-9!#$&^_.+-]+|[a-z0-9!#$&^_.-]+\+json)$/;

/** The most descriptors that one manifest may hold; more than any real one has. */
const maxDescriptors = 10_000;

const maxFaults = 5;
const maxFaultCharacters = 1000;

/** RFC 6838 has no more in a media type; a NUL or half a surrogate pair could not be stored in a view. */
const mediaTypeText = z
  .string()
  .max(255, 'a media type has at most 255 characters')
  .regex(/^[\x20-\x7e]*$/, 'a media type is written in ASCII');
/** Custom, because zod would keep one issue for each of the hundreds of thousands that fit into a manifest. */
const texts = z.custom<readonly string[]>(
  (value) => Array.isArray(value) && value.every((entry) => typeof entry === 'string'),
  'expected a list of texts',
);
const annotations = z.custom<Record<string, string>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === 'string'),
  'expected texts by name',
);
const plain = descriptor.extend({ mediaType: mediaTypeText });
const referenced = plain.extend({ urls: texts.optional() });
/** What else an index says of a child is shown, and decides nothing: what cannot be read is left out. */
const child = referenced.extend({
  platform: platform.optional().catch(undefined),
  annotations: annotations.optional().catch(undefined),
});
const common = {
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: mediaTypeText.optional(),
  subject: plain.optional(),
  annotations: annotations.optional(),
};
/** image-spec, "Image Manifest Property Descriptions". */
const image = z.object({
  ...common,
  config: referenced,
  layers: z.array(referenced).max(maxDescriptors),
  manifests: z.undefined({ error: 'an image manifest has no manifests' }).optional(),
});
/** image-spec, "Image Index Property Descriptions". */
const index = z.object({
  ...common,
  manifests: z.array(child).max(maxDescriptors),
  config: z.undefined({ error: 'an index has no config' }).optional(),
  layers: z.undefined({ error: 'an index has no layers' }).optional(),
});

/** image-spec 1.1.0-rc2, "OCI Artifact Manifest Specification". */
const artifact = z.object({
  ...common,
  schemaVersion: z.literal(2).optional(),
  blobs: z.array(referenced).max(maxDescriptors).optional(),
  layers: z.undefined({ error: 'an artifact manifest has no layers' }).optional(),
  manifests: z.undefined({ error: 'an artifact manifest has no manifests' }).optional(),
});
/** What a manifest of any other type has in common with those above. */
const unknown = z.looseObject({
  mediaType: z.string().optional(),
  artifactType: mediaTypeText.optional(),
  subject: plain.optional(),
  annotations: annotations.optional().catch(undefined),
});

/** What Shiplog reads out of a manifest; the bytes themselves are kept as they came. */
export interface ParsedManifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config?: Descriptor;
  readonly layers: Descriptor[];
  readonly manifests: ChildDescriptor[];
  /** The digests in a manifest of a type that is unknown here; what they name is kept, if it is there. */
  readonly mentions: Digest[];
  readonly subject?: Descriptor;
  readonly annotations?: Record<string, string>;
}

/**
 * Reads a manifest: of an image, an index or an artifact, OCI or Docker schema 2, or of a type that is unknown here.
 * @param contentType as the client sent it, undefined where it sent none; parameters are ignored.
 * @throws Refusal `manifest-invalid`
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  const document = parseJson(bytes);
  const declared = contentType?.split(';', 1)[0]?.trim() || undefined;
  const named = declared ?? mediaTypeIn(document);
  const mediaType = named?.toLowerCase();
  if (mediaType && schemaOne.includes(mediaType))
    return refuse('Docker schema 1 is not supported; push the image with a client that writes schema 2');
  const schema = mediaType && schemaFor(mediaType);
  if (!mediaType || !schema) return refuse(`the media type ${named || '(none)'} is not one of a manifest`);

  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    return refuse(z.prettifyError(new z.ZodError(parsed.error.issues.slice(0, maxFaults))));
  }
  const data: z.infer<typeof anyManifest> = parsed.data;
  if (data.mediaType !== undefined && data.mediaType.toLowerCase() !== mediaType) {
    return refuse(`its mediaType is ${data.mediaType}, its Content-Type ${mediaType}`);
  }
  if (data.mediaType === undefined && mediaType.includes('docker')) {
    return refuse('mediaType: a Docker manifest names its media type');
  }
  const isKnown = schema !== unknown;
  return {
    // Of a type that is known there is one way to write it, which clients compare; any other comes back as it came.
    mediaType: isKnown ? mediaType : (named ?? mediaType),
    ...(data.artifactType !== undefined && { artifactType: data.artifactType }),
    ...(isKnown && data.config !== undefined && { config: bare(data.config) }),
    layers: isKnown ? (data.layers ?? data.blobs ?? []).map(bare) : [],
    manifests: isKnown ? (data.manifests ?? []).map(childOf) : [],
    mentions: isKnown ? [] : mentionsIn(document),
    ...(data.subject !== undefined && { subject: data.subject }),
    ...(data.annotations !== undefined && { annotations: data.annotations }),
  };
}

/** What any of the schemas may find. */
const anyManifest = z.object({
  ...common,
  schemaVersion: z.literal(2).optional(),
  config: referenced.optional(),
  layers: z.array(referenced).optional(),
  blobs: z.array(referenced).optional(),
  manifests: z.array(child).optional(),
});

function schemaFor(mediaType: string) {
  if (images.includes(mediaType)) return image;
  if (indexes.includes(mediaType)) return index;
  if (mediaType === mediaTypes.ociArtifact) return artifact;
  return mediaType.length <= 255 && unknownType.test(mediaType) ? unknown : undefined;
}

/** Every digest that stands under the name `digest`, at any depth: the parser has bounded that. */
function mentionsIn(document: unknown): Digest[] {
  const found = new Set<Digest>();
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      const mentioned = name === 'digest' && typeof inner === 'string' ? parseDigest(inner) : undefined;
      if (mentioned !== undefined) found.add(mentioned);
      if (found.size > maxDescriptors) refuse(`it names more than ${maxDescriptors} digests`);
      collect(inner);
    }
  };
  collect(document);
  return [...found];
}

/** Layers that image-spec and Docker let a registry do without; their clients fetch them from elsewhere. */
const isForeign = ({ mediaType }: Descriptor): boolean =>
  mediaType.includes('.nondistributable.') || mediaType.includes('.foreign.');

/** What has to be in the repository before the manifest: a subject may come later. */
export function referencesOf({ config, layers, manifests }: ParsedManifest) {
  const own = layers.filter((layer) => !isForeign(layer));
  return { blobs: config === undefined ? own : [config, ...own], manifests };
}

interface Needing extends Pick<ParsedManifest, 'layers' | 'manifests' | 'mentions'> {
  readonly config?: Descriptor | undefined;
}

/** All that must not be collected as long as the manifest is there, also what it can do without. */
export function needsOf({ config, layers, manifests, mentions }: Needing) {
  const digestsOf = (descriptors: readonly Descriptor[]) => descriptors.map(({ digest }) => digest);
  return {
    blobs: [...new Set([...(config ? [config.digest] : []), ...digestsOf(layers), ...mentions])],
    manifests: [...new Set([...digestsOf(manifests), ...mentions])],
  };
}

const childOf = ({
  platform: on,
  annotations: notes,
  urls,
  ...own
}: z.infer<typeof child>): ChildDescriptor => ({
  ...bare(own),
  ...(on !== undefined && Object.keys(on).length > 0 && { platform: on }),
  ...(notes !== undefined && Object.keys(notes).length > 0 && { annotations: notes }),
  ...(urls !== undefined && urls.length > 0 && { urls: [...urls] }),
});

const bare = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });

function parseJson(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    return refuse(`it is not JSON in UTF-8: ${error instanceof Error ? error.message : error}`);
  }
}

function mediaTypeIn(document: unknown): string | undefined {
  const named = z.object({ mediaType: z.string() }).safeParse(document);
  return named.success ? named.data.mediaType : undefined;
}

function refuse(fault: string): never {
  throw new Refusal({ kind: 'manifest-invalid', fault: fault.slice(0, maxFaultCharacters) });
}
