import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** @param name as it is stored: `<robot>`, or `<project>+<robot>` for one of a project. */
export const robotStream = (name: string): string => `robot/${name}`;

const which = {
  name: z.string().describe('The name without prefix; `<project>+<robot>` for a robot of a project'),
  robotId: z.int().positive().describe('The number that the management API shows'),
};
const permission = z.templateLiteral([z.string().min(1), ':', z.string().min(1)]);
const settings = {
  description: z.string().describe('What it is for, in the words of who made it'),
  disabled: z.boolean().describe('Whether it may not log in for now'),
  durationDays: z.int().describe('How many days it lives from its creation on, -1 for ever'),
  expiresAt: z.iso.datetime().nullable().describe('When its life ends, null for never'),
  permissions: z
    .array(
      z.object({
        scope: z.discriminatedUnion('kind', [
          z.object({ kind: z.literal('system') }),
          z.object({ kind: z.literal('project'), project: z.string() }),
        ]),
        access: z.array(permission),
      }),
    )
    .describe('What it may do: for the system, a project by name, or `*` for every project'),
};
const secretHash = z.string().describe('argon2id in PHC string format; the secret itself is never recorded');

export const robotEvent = z.discriminatedUnion('type', [
  eventOf('RobotCreated', 'A robot account can log in from now on.', {
    ...which,
    project: z.string().nullable().describe('The project that it belongs to, null for one of the system'),
    projectId: z.int().positive().nullable().describe('The number of that project'),
    ...settings,
    secretHash,
    createdAt: z.iso.datetime().describe('When it was created; its life counts from here'),
    creatorType: z.enum(['local', 'robot']).describe('Whether a user or a robot created it'),
    creatorRef: z.int().describe('The number of that user or robot'),
  }),
  eventOf('RobotChanged', 'A robot account may do other things, or for another time.', {
    ...which,
    ...settings,
  }),
  eventOf('RobotSecretChanged', 'A robot account logs in with another secret from now on.', {
    ...which,
    secretHash,
    previous: z
      .object({
        secretHash: z.string(),
        secretVersion: z.int().nonnegative(),
        validUntil: z.iso.datetime(),
      })
      .nullable()
      .describe(
        'The secret from before, its version and until when it is good as well; null where that ended at once',
      ),
  }),
  eventOf('RobotPreviousSecretEnded', 'The secret from before the last change is void already.', which),
  eventOf('RobotDeleted', 'A robot account is gone; its name is free.', which),
]);
export type RobotEvent = z.infer<typeof robotEvent>;

/** In version 1 the secret from before always ended at once. */
export const robotSecretChangedUpcasters = [(data: Record<string, unknown>) => ({ ...data, previous: null })];
