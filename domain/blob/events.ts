import { z } from 'zod';
import { type Digest, digest } from '../digest.ts';
import { eventOf } from '../event-schema.ts';

export const blobStream = (of: Digest): string => `blob/${of}`;

const at = {
  digest: digest.describe('The digest of the blob'),
  repository: z.string().describe('The repository that holds it'),
};

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
  eventOf(
    'BlobCondemned',
    'No manifest of the repository needs the blob: it goes unless one does soon. Until then it counts as absent for who asks whether it has to be uploaded.',
    { ...at, condemnation: z.string().describe('What a later removal has to name; a UUID') },
  ),
  eventOf('BlobReprieved', 'A condemned blob stays: it was uploaded again, or a manifest needs it.', at),
  eventOf('BlobUnlinked', 'A repository does not hold the blob any more.', {
    ...at,
    repository: z.string().describe('The repository that held it until now'),
  }),
  eventOf(
    'BlobDeleted',
    'No repository holds the blob any more; its bytes are to be deleted, or are already.',
    {
      digest: digest.describe('The digest of the blob'),
      size: z.int().nonnegative().describe('The number of its bytes'),
      key: z.string().describe('Where the blob store has kept them'),
    },
  ),
  eventOf(
    'BlobDamaged',
    'The stored bytes are missing or have another digest; they are not served until the blob is pushed again.',
    {
      digest: digest.describe('The digest of the blob'),
      key: z.string().describe('Where the blob store keeps the damaged bytes'),
      fault: z.string().describe('What is wrong with them'),
    },
  ),
]);
export type BlobEvent = z.infer<typeof blobEvent>;
