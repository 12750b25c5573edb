import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const repositoryStream = (name: string): string => `repository/${name}`;

const which = {
  repository: z.string().describe('The full name of the repository'),
  repositoryId: z
    .int()
    .positive()
    .describe('Its number: the position of the first manifest since the repository exists'),
};

export const repositoryEvent = z.discriminatedUnion('type', [
  eventOf('RepositoryDescribed', 'A repository has another description from now on.', {
    ...which,
    description: z.string().describe('The description, with the special characters of HTML escaped'),
  }),
  eventOf(
    'RepositoryDeleted',
    'A repository is gone with all that was in it; the next push under its name makes a new one. One that holds a manifest by then stays.',
    which,
  ),
]);
export type RepositoryEvent = z.infer<typeof repositoryEvent>;
