import { z } from 'zod';
import { cveAllowlist } from '../cve-allowlist/events.ts';
import { eventOf } from '../event-schema.ts';

export const projectStream = (name: string): string => `project/${name}`;

const which = {
  name: z.string().describe('The first path component of its repositories'),
  projectId: z.int().positive().describe('The number that the management API shows'),
};
const isPublic = z.boolean().describe('Whether anyone may pull without logging in');

export const projectEvent = z.discriminatedUnion('type', [
  eventOf('ProjectCreated', 'A project exists from now on and can hold repositories.', {
    ...which,
    public: isPublic,
    owner: z.string().describe('The user name of who created it'),
    storageLimit: z
      .int()
      .nullable()
      .describe('How many bytes it may hold at first, -1 for any number; null where nobody said'),
  }),
  eventOf('ProjectMetadataChanged', 'A project has other settings from now on.', {
    ...which,
    public: isPublic,
    metadata: z
      .record(z.string(), z.string())
      .describe('All other settings as they are now, by the names and in the form of the management API'),
  }),
  eventOf('ProjectCveAllowlistChanged', 'Other vulnerabilities do not count in a project from now on.', {
    ...which,
    ...cveAllowlist,
  }),
  eventOf(
    'ProjectDeleted',
    'A project is gone, and with it its members and robots; the name is free, and a new project gets another number.',
    which,
  ),
]);
export type ProjectEvent = z.infer<typeof projectEvent>;

/** Version 1 was from before the limit was kept. */
export const projectCreatedUpcasters = [(data: Record<string, unknown>) => ({ ...data, storageLimit: null })];
