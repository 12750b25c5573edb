import { z } from 'zod';
import { type Digest, digest } from '../digest.ts';
import { eventOf } from '../event-schema.ts';

export const blobStream = (of: Digest): string => `blob/${of}`;

export const blobEvent = z.discriminatedUnion('type', [
  eventOf('BlobStored', 'The bytes of a blob are whole, verified and synced in the blob store.', {
    digest: digest.describe('The digest of the bytes'),
    size: z.int().nonnegative().describe('Their number'),
    key: z.string().describe('Where the blob store keeps them; a key is never used twice'),
  }),
  eventOf('BlobLinked', 'A repository holds the blob: it can be read there and named by manifests there.', {
    digest: digest.describe('The digest of the blob'),
    repository: z.string().describe('The repository that holds it from now on'),
  }),
]);
export type BlobEvent = z.infer<typeof blobEvent>;
