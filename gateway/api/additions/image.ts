import { z } from 'zod';
import { parsedAs } from './documents.ts';

const text = z.string().optional().catch(undefined);

/** image-spec, "Image Configuration", `history`. */
const entry = z.object({
  created: text,
  created_by: text,
  author: text,
  comment: text,
  empty_layer: z.boolean().optional().catch(undefined),
});

/** How an image was made, step by step, as its config says. */
export const buildHistoryIn = (config: Uint8Array): readonly object[] => parsedAs(entry, config, 'history');
