import { z } from 'zod';
import { type Descriptor, descriptor } from '../descriptor.ts';
import { Refusal } from '../refusal.ts';
import { parseStrictJson } from './strict-json.ts';

export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
} as const;

const images: readonly string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest];
const indexes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerList];

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
  manifests: z.array(referenced).max(maxDescriptors),
  config: z.undefined({ error: 'an index has no config' }).optional(),
  layers: z.undefined({ error: 'an index has no layers' }).optional(),
});

/** What Shiplog reads out of a manifest; the bytes themselves are kept as they came. */
export interface ParsedManifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config?: Descriptor;
  readonly layers: Descriptor[];
  readonly manifests: Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Record<string, string>;
}

/**
 * Reads a manifest of an image or an index, OCI or Docker schema 2.
 * @param contentType as the client sent it, undefined where it sent none; parameters are ignored.
 * @throws Refusal `manifest-invalid`
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  const document = parseJson(bytes);
  const declared = contentType?.split(';', 1)[0]?.trim().toLowerCase() || undefined;
  const mediaType = declared ?? mediaTypeIn(document);
  const schema =
    mediaType && (images.includes(mediaType) ? image : indexes.includes(mediaType) ? index : undefined);
  if (!mediaType || !schema)
    return refuse(`the media type ${mediaType ?? '(none)'} is not one of a manifest`);

  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    return refuse(z.prettifyError(new z.ZodError(parsed.error.issues.slice(0, maxFaults))));
  }
  const { data } = parsed;
  if (data.mediaType !== undefined && data.mediaType.toLowerCase() !== mediaType) {
    return refuse(`its mediaType is ${data.mediaType}, its Content-Type ${mediaType}`);
  }
  if (data.mediaType === undefined && mediaType.includes('docker')) {
    return refuse('mediaType: a Docker manifest names its media type');
  }
  return {
    mediaType,
    ...(data.artifactType !== undefined && { artifactType: data.artifactType }),
    ...(data.config !== undefined && { config: bare(data.config) }),
    layers: (data.layers ?? []).map(bare),
    manifests: (data.manifests ?? []).map(bare),
    ...(data.subject !== undefined && { subject: data.subject }),
    ...(data.annotations !== undefined && { annotations: data.annotations }),
  };
}

/** Layers that image-spec and Docker let a registry do without; their clients fetch them from elsewhere. */
const isForeign = ({ mediaType }: Descriptor): boolean =>
  mediaType.includes('.nondistributable.') || mediaType.includes('.foreign.');

/** What has to be in the repository before the manifest: a subject may come later. */
export function referencesOf({ config, layers, manifests }: ParsedManifest) {
  const own = layers.filter((layer) => !isForeign(layer));
  return { blobs: config === undefined ? own : [config, ...own], manifests };
}

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
