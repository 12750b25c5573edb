import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** All tokens of a user, since each of his names is given once. Numbers of users are never given again. */
export const accessTokensStream = (userId: number): string => `access-tokens/${userId}`;

const which = {
  tokenId: z.int().positive().describe('The number that the management API shows, and a part of the token'),
  userId: z.int().positive().describe('The number of the user for whom it speaks'),
};
const permission = z.templateLiteral([z.string().min(1), ':', z.string().min(1)]);

export const accessTokenEvent = z.discriminatedUnion('type', [
  eventOf('AccessTokenCreated', 'A user can show an access token in place of the password from now on.', {
    ...which,
    username: z.string().describe('The name of that user'),
    name: z.string().describe('What the user calls it'),
    description: z.string().describe('What it is for, in the words of the user'),
    permissions: z
      .array(
        z.object({
          scope: z.discriminatedUnion('kind', [
            z.object({ kind: z.literal('system') }),
            z.object({ kind: z.literal('projects') }),
            z.object({
              kind: z.literal('project'),
              project: z.string(),
              projectId: z.int().positive(),
            }),
          ]),
          access: z.array(permission),
        }),
      )
      .nullable()
      .describe(
        'What it may do of what the user may: for the system, in one project, or in every project; null for all',
      ),
    secretHash: z
      .string()
      .describe('The keyed hash of the token, base64url; the token itself is never recorded'),
    createdAt: z.iso.datetime().describe('When it was made'),
    expiresAt: z.iso.datetime().nullable().describe('When it becomes void by itself, null for never'),
  }),
  eventOf('AccessTokenRevoked', 'An access token is void, and so is all that was got by it.', which),
]);
export type AccessTokenEvent = z.infer<typeof accessTokenEvent>;
