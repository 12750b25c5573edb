import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const projectStream = (name: string): string => `project/${name}`;

export const projectEvent = z.discriminatedUnion('type', [
  eventOf('ProjectCreated', 'A project exists from now on and can hold repositories.', {
    name: z.string().describe('The first path component of its repositories'),
    projectId: z.int().positive().describe('The number that the management API shows'),
    public: z.boolean().describe('Whether anyone may pull without logging in'),
    owner: z.string().describe('The user name of who created it'),
  }),
]);
export type ProjectEvent = z.infer<typeof projectEvent>;
