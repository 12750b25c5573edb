import { z } from 'zod';
import { digest } from './digest.ts';

/** What an event keeps of a descriptor (image-spec, "OCI Content Descriptors"). */
export const descriptor = z.object({
  mediaType: z.string().describe('The media type of what the descriptor points at'),
  digest: digest.describe('The digest of what the descriptor points at'),
  size: z.int().nonnegative().describe('Its size in bytes'),
});
export type Descriptor = z.infer<typeof descriptor>;
