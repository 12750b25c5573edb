import { z } from 'zod';
import { digest } from './digest.ts';

/** What an event keeps of a descriptor (image-spec, "OCI Content Descriptors"). */
export const descriptor = z.object({
  mediaType: z.string().describe('The media type of what the descriptor points at'),
  digest: digest.describe('The digest of what the descriptor points at'),
  size: z.int().nonnegative().describe('Its size in bytes'),
});
export type Descriptor = z.infer<typeof descriptor>;

/** image-spec, "Image Index Property Descriptions". */
export const platform = z.object({
  architecture: z.string().optional(),
  os: z.string().optional(),
  'os.version': z.string().optional(),
  'os.features': z.array(z.string()).optional(),
  variant: z.string().optional(),
});
export type Platform = z.infer<typeof platform>;

/** What an event keeps of the descriptor of an index's child. */
export const childDescriptor = descriptor.extend({
  platform: platform.optional().describe('What it runs on'),
  annotations: z.record(z.string(), z.string()).optional().describe('What the index says of it'),
  urls: z.array(z.string()).optional().describe('Where else it can be fetched from'),
});
export type ChildDescriptor = z.infer<typeof childDescriptor>;
