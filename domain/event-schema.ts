import { z } from 'zod';

/** The zod schema of one event type, with the sentence that the catalogue of events shows. */
export const eventOf = <Type extends string, Shape extends z.ZodRawShape>(
  type: Type,
  description: string,
  shape: Shape,
) => z.object({ type: z.literal(type), data: z.object(shape) }).meta({ description });
