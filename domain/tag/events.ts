import { z } from 'zod';
import { digest } from '../digest.ts';
import { eventOf } from '../event-schema.ts';

export const tagStream = (repository: string, tag: string): string => `tag/${repository}:${tag}`;

const at = {
  repository: z.string().describe('The full name of the repository'),
  tag: z.string().describe('The tag'),
};

export const tagEvent = z.discriminatedUnion('type', [
  eventOf('TagAssigned', 'A tag that pointed at nothing points at a manifest.', {
    ...at,
    digest: digest.describe('The digest of the manifest'),
  }),
  eventOf('TagMoved', 'A tag points at another manifest than before.', {
    ...at,
    from: digest.describe('The digest that it pointed at until now'),
    digest: digest.describe('The digest that it points at from now on'),
  }),
  eventOf('TagRemoved', 'A tag points at nothing any more; the manifest stays unless it is deleted too.', {
    ...at,
    digest: digest.describe('The digest that it pointed at until now'),
  }),
]);
export type TagEvent = z.infer<typeof tagEvent>;
