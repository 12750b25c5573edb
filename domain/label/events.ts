import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/**
 * One stream for all labels among which a name is given once. By number and not by name of the project, so that the next
 * project of the name begins without any.
 * @param projectId null for the labels of the system
 */
export const labelsStream = (projectId: number | null): string => `labels/${projectId ?? 'system'}`;

const which = {
  labelId: z.int().positive().describe('The number that the management API shows'),
  project: z.string().nullable().describe('The project that it belongs to, null for one of the system'),
  projectId: z.int().positive().nullable().describe('The number of that project'),
  name: z.string().describe('What it is called; no other label of the project, or of the system, is'),
};
const look = {
  description: z.string().describe('What it is for, in the words of who made it'),
  color: z.string().describe('As CSS writes it, such as #0065AB; empty for none'),
};

export const labelEvent = z.discriminatedUnion('type', [
  eventOf('LabelCreated', 'Artifacts can be given a label from now on.', { ...which, ...look }),
  eventOf('LabelChanged', 'A label has another name, description or color.', { ...which, ...look }),
  eventOf('LabelDeleted', 'A label is gone, from every artifact too; its name is free.', which),
]);
export type LabelEvent = z.infer<typeof labelEvent>;
