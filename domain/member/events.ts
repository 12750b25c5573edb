import { z } from 'zod';
import { roles } from '../access/role.ts';
import { eventOf } from '../event-schema.ts';

/** By number and not by name, so that who takes a name that became free inherits nothing. */
export const memberStream = (projectId: number, userId: number): string => `member/${projectId}/${userId}`;

const which = {
  memberId: z.int().positive().describe('The number that the management API shows'),
  projectId: z.int().positive().describe('The number of the project'),
  project: z.string().describe('The name of the project'),
  userId: z.int().positive().describe('The number of the user'),
  username: z.string().describe('The name of the user'),
};
const role = z.enum(roles).describe('What the member may do in the project');

export const memberEvent = z.discriminatedUnion('type', [
  eventOf('MemberAdded', 'A user has a role in a project from now on.', { ...which, role }),
  eventOf('MemberRoleChanged', 'A member of a project has another role.', { ...which, role }),
  eventOf('MemberRemoved', 'A user has no role in a project any more.', which),
]);
export type MemberEvent = z.infer<typeof memberEvent>;
