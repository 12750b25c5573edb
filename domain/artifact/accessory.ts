import { type Digest, parseDigest } from '../digest.ts';

/** In Harbor's words. */
export type AccessoryType =
  | 'signature.cosign'
  | 'signature.notation'
  | 'accelerator.nydus'
  | 'sbom.harbor'
  | 'subject.accessory';

/** What an artifact is to the one that it is shown under. */
export interface Accessory {
  readonly type: AccessoryType;
  readonly subject: Digest;
}

const cosignTypes =
  /^application\/vnd\.dev\.(?:sigstore\.bundle\.v[\d.]+\+json|sigstore\.bundle\+json;.*|cosign\.artifact\.sig\.v1\+json)$/;
const simpleSigning = 'application/vnd.dev.cosign.simplesigning.v1+json';
const notationType = 'application/vnd.cncf.notary.signature';
const harborSbomType = 'application/vnd.goharbor.harbor.sbom.v1';
/** On a manifest that nydus has converted: the digest of what it was made from. */
const nydusSource = 'io.goharbor.artifact.v1alpha1.acceleration.source.digest';

interface Manifest {
  readonly artifactType?: string | undefined;
  readonly config?: { readonly mediaType: string } | undefined;
  readonly layers: readonly { readonly mediaType: string }[];
  readonly subject?: { readonly digest: Digest } | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** What the manifest is an accessory of by itself; a signature of cosign may be one by its tag alone. */
export function accessoryOf(manifest: Manifest): Accessory | undefined {
  const { subject, annotations = {} } = manifest;
  if (subject !== undefined) return { type: typeOf(manifest), subject: subject.digest };
  const source = Object.hasOwn(annotations, nydusSource)
    ? parseDigest(annotations[nydusSource] ?? '')
    : undefined;
  return source && { type: 'accelerator.nydus', subject: source };
}

function typeOf(manifest: Manifest): AccessoryType {
  const artifactType = manifest.artifactType || manifest.config?.mediaType || '';
  if (cosignTypes.test(artifactType) || isSimpleSigning(manifest)) return 'signature.cosign';
  if (artifactType === notationType) return 'signature.notation';
  return artifactType === harborSbomType ? 'sbom.harbor' : 'subject.accessory';
}

/** Whether it has the form of a signature of cosign, which a tag ties to what it signs. */
export const isSimpleSigning = ({ layers }: Pick<Manifest, 'layers'>): boolean =>
  layers.length > 0 && layers.every(({ mediaType }) => mediaType === simpleSigning);

/** What a signature under this tag of cosign's signs: `sha256-<hex>.sig`. */
export function signedBy(tag: string): Digest | undefined {
  const hex = /^sha256-([0-9a-f]{64})\.sig$/.exec(tag)?.[1];
  return hex === undefined ? undefined : parseDigest(`sha256:${hex}`);
}
