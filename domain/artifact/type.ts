import { mediaTypes, type ParsedManifest } from './manifest.ts';

/** What the management API says of an artifact's kind. */
export interface ArtifactKind {
  /** `IMAGE`, `CHART`, … or a word out of the media type, in capitals; `UNKNOWN` where nothing tells. */
  readonly type: string;
  /** That of the config, or what stands for it where there is none. */
  readonly mediaType: string;
  /** The manifest's own, or else that of its config. */
  readonly artifactType: string;
}

/** By the media type of the config, or the artifactType of who has none. */
const types: Readonly<Record<string, string>> = {
  'application/vnd.oci.image.config.v1+json': 'IMAGE',
  'application/vnd.docker.container.image.v1+json': 'IMAGE',
  [mediaTypes.ociIndex]: 'IMAGE',
  [mediaTypes.dockerList]: 'IMAGE',
  'application/vnd.cncf.helm.config.v1+json': 'CHART',
  'application/vnd.cnab.manifest.v1': 'CNAB',
  'application/vnd.cnab.config.v1+json': 'CNAB',
  'application/vnd.wasm.config.v0+json': 'WASM',
  'application/vnd.wasm.config.v1+json': 'WASM',
  'application/vnd.wasm.content.layer.v1+wasm': 'WASM',
  'application/vnd.goharbor.harbor.sbom.v1': 'SBOM',
  'application/vnd.cnai.model.manifest.v1+json': 'CNAI',
  'application/vnd.cnai.model.config.v1+json': 'CNAI',
  'application/vnd.cncf.model.manifest.v1+json': 'CNAI',
  'application/vnd.cncf.model.config.v1+json': 'CNAI',
};

/** Harbor's rule for all others: `application/vnd.<org>.<TYPE>.config.<version>+json`. */
const namesType = /^application\/vnd\.[^.]+\.(.+)\.config\.[^.]+\+json$/;

/** A config that says nothing (image-spec, "Guidance for an Empty Descriptor"). */
const empty = 'application/vnd.oci.empty.v1+json';

/** By this a bundle says what it is, since an index has no config. */
const indexType = 'org.opencontainers.artifactType';

export function kindOf(
  manifest: Pick<ParsedManifest, 'mediaType'> & {
    readonly artifactType?: string | undefined;
    readonly config?: { readonly mediaType: string } | undefined;
    readonly annotations?: Readonly<Record<string, string>> | undefined;
  },
): ArtifactKind {
  const { config, annotations = {} } = manifest;
  const own = manifest.artifactType || undefined;
  const ofConfig = config?.mediaType === empty ? own : config?.mediaType;
  const mediaType = ofConfig || ofIndex(annotations) || config?.mediaType || manifest.mediaType;
  const artifactType = own ?? mediaType;
  const type = typeFrom(mediaType) ?? typeFrom(artifactType) ?? 'UNKNOWN';
  return { type: type === 'IMAGE' && isWasm(annotations) ? 'WASM' : type, mediaType, artifactType };
}

function ofIndex(annotations: Readonly<Record<string, string>>): string | undefined {
  const written = Object.hasOwn(annotations, indexType) ? annotations[indexType] : undefined;
  return written !== undefined && /^[\x20-\x7e]{1,255}$/.test(written) ? written : undefined;
}

function typeFrom(mediaType: string): string | undefined {
  if (Object.hasOwn(types, mediaType)) return types[mediaType];
  return namesType.exec(mediaType)?.[1]?.toUpperCase();
}

/** An image that a WebAssembly runtime takes says so in its annotations. */
const isWasm = (annotations: Readonly<Record<string, string>>): boolean =>
  Object.hasOwn(annotations, 'module.wasm.image/variant') || annotations['run.oci.handler'] === 'wasm';

/**
 * The bytes of all that a pull of an image manifest takes: the manifest, its config and its layers. Undefined for an
 * index, which is as large as its children together.
 */
export function sizeOf(manifest: {
  readonly size: number;
  readonly config?: { readonly size: number } | undefined;
  readonly layers: readonly { readonly size: number }[];
  readonly manifests: readonly unknown[];
}): number | undefined {
  if (manifest.manifests.length > 0) return undefined;
  const { size, config, layers } = manifest;
  const total = layers.reduce((sum, layer) => sum + layer.size, size + (config?.size ?? 0));
  // Descriptors may claim what nobody has: foreign layers, whose sizes nothing checks.
  return Math.min(total, Number.MAX_SAFE_INTEGER);
}
