import { z } from 'zod';
import { childDescriptor, descriptor } from '../descriptor.ts';
import { type Digest, digest } from '../digest.ts';
import { eventOf } from '../event-schema.ts';

export const artifactStream = (repository: string, of: Digest): string => `artifact/${repository}@${of}`;

const at = {
  repository: z.string().describe('The full name of the repository'),
  digest: digest.describe('The digest of the manifest'),
};

const labelId = z.int().positive().describe('The number of the label; no other label will ever have it');

export const artifactEvent = z.discriminatedUnion('type', [
  eventOf('ManifestPushed', 'A manifest is in a repository, and all that it needs is there with it.', {
    ...at,
    mediaType: z.string().describe('Its media type, as it is served'),
    size: z.int().positive().describe('Its size in bytes'),
    key: z.string().describe('Where the blob store keeps its bytes; they belong to this artifact alone'),
    artifactType: z.string().optional().describe('The manifest’s own artifactType'),
    config: descriptor.optional().describe('The config of an image manifest'),
    layers: z
      .array(descriptor)
      .describe('The layers of an image manifest, the blobs of an artifact manifest'),
    manifests: z.array(childDescriptor).describe('The children of an index'),
    mentions: z
      .array(digest)
      .describe('The digests in a manifest of a type that Shiplog does not know: kept, if they are there'),
    subject: descriptor.optional().describe('The manifest that this one refers to'),
    annotations: z.record(z.string(), z.string()).optional().describe('The manifest’s own annotations'),
    attributes: z
      .record(z.string(), z.unknown())
      .describe(
        'What its config says of it, as the management API shows it; empty where that is not to be known',
      ),
    tagged: z
      .boolean()
      .optional()
      .describe('Whether who pushed it points a tag at it next, which is told then; absent where not'),
  }),
  eventOf('ManifestDeleted', 'A manifest is not in the repository any more, and no tag points at it.', {
    ...at,
    mediaType: z.string().describe('Its media type'),
    size: z.int().positive().describe('The size that it had, in bytes'),
    key: z.string().describe('Where the blob store has kept its bytes'),
    subject: digest.optional().describe('The digest of the manifest that it referred to'),
    blobs: z.array(digest).describe('The digests of the blobs that it needed'),
    manifests: z.array(digest).describe('The digests of the manifests that it needed'),
    tags: z
      .array(z.string())
      .optional()
      .describe('The tags that went with it, of many not all; absent where there were none'),
  }),
  eventOf(
    'ManifestCondemned',
    'No tag and no other manifest needs the manifest, or a client is deleting it: it goes unless it comes to be needed soon. Until then it counts as absent for who asks whether it has to be pushed.',
    { ...at, condemnation: z.string().describe('What a later removal has to name; a UUID') },
  ),
  eventOf(
    'ManifestDamaged',
    'The stored bytes of the manifest are missing or have another digest; it is not served until it is pushed again.',
    {
      ...at,
      key: z.string().describe('Where the blob store keeps the damaged bytes'),
      fault: z.string().describe('What is wrong with them'),
    },
  ),
  eventOf('ManifestReprieved', 'A condemned manifest stays: it was pushed again, or is needed again.', at),
  eventOf('LabelAttached', 'A manifest has a label, until one of them is deleted.', { ...at, labelId }),
  eventOf('LabelDetached', 'A manifest does not have a label any more.', { ...at, labelId }),
]);
export type ArtifactEvent = z.infer<typeof artifactEvent>;
export type PushedManifest = Extract<ArtifactEvent, { type: 'ManifestPushed' }>['data'];
