import { mediaTypes } from '../../domain/artifact/manifest.ts';
import { digestFrom } from '../../domain/digest.ts';

export const digestA = digestFrom('sha256', 'a'.repeat(64));
export const digestB = digestFrom('sha512', 'b'.repeat(128));

export const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestA, size: 2 };
export const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestB, size: 10 };
export const child = { mediaType: mediaTypes.ociManifest, digest: digestA, size: 400 };

export const image = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest as string,
  config,
  layers: [layer],
};
export const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex as string, manifests: [child] };
