import { z } from 'zod';
import { descriptor } from '../descriptor.ts';
import { type Digest, digest } from '../digest.ts';
import { eventOf } from '../event-schema.ts';

export const artifactStream = (repository: string, of: Digest): string => `artifact/${repository}@${of}`;

export const artifactEvent = z.discriminatedUnion('type', [
  eventOf('ManifestPushed', 'A manifest is in a repository, and all that it names is there with it.', {
    repository: z.string().describe('The full name of the repository'),
    digest: digest.describe('The digest of the manifest'),
    mediaType: z.string().describe('Its media type, as it is served'),
    size: z.int().positive().describe('Its size in bytes'),
    key: z.string().describe('Where the blob store keeps its bytes; they belong to this artifact alone'),
    artifactType: z.string().optional().describe('The manifest’s own artifactType'),
    config: descriptor.optional().describe('The config of an image manifest'),
    layers: z.array(descriptor).describe('The layers of an image manifest'),
    manifests: z.array(descriptor).describe('The children of an index'),
    subject: descriptor.optional().describe('The manifest that this one refers to'),
    annotations: z.record(z.string(), z.string()).optional().describe('The manifest’s own annotations'),
  }),
]);
export type ArtifactEvent = z.infer<typeof artifactEvent>;
export type PushedManifest = ArtifactEvent['data'];
