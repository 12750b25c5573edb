import { z } from 'zod';

/** How every refusal looks; distribution-spec, "Error Codes", has the same form. */
export const errorAnswer = z
  .object({ errors: z.array(z.object({ code: z.string(), message: z.string() })) })
  .meta({ id: 'Errors' });
