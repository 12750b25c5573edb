import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** One stream a day: nothing is decided on it, and nobody can fill a stream of his own choice. */
export const loginsStream = (at: Date): string => `logins/${at.toISOString().slice(0, 10)}`;

/** Of the names that strangers claim to have, no more than this many characters are kept. */
const maxRecordedName = 255;

/**
 * Of a name that nobody has, what may be kept: of an e-mail address not whose it is, and nothing that is no text, such
 * as half a character where the name was cut; and of an access token only which it is.
 */
export const recordedName = (name: string): string =>
  name
    .replace(/^.*@/s, '*@')
    // Clients of other services send a token in the place of a name.
    .replace(/(shiplog_pat_\d+_)\w+/g, '$1*')
    .slice(0, maxRecordedName)
    .replaceAll('\0', '\uFFFD')
    .toWellFormed();

const account = {
  kind: z.enum(['user', 'robot']).describe('What the name says that it is the name of'),
  username: z
    .string()
    .max(maxRecordedName)
    .describe(
      'The user name or the robot’s name as it is stored; as it was given where nobody has it, but for e-mail addresses, of which only the domain is kept',
    ),
};

/** Where they came from stands in the metadata. They guard nothing, and are recorded in the background. */
export const loginEvent = z.discriminatedUnion('type', [
  eventOf('LoginSucceeded', 'Somebody has shown the right password or secret.', account),
  eventOf(
    'LoginFailed',
    'Somebody has shown a wrong password, or the name of nobody who can log in.',
    account,
  ),
  eventOf('LoggedOut', 'Somebody has ended sessions of his: by logging out, or from a list of them.', {
    ...account,
    all: z.boolean().describe('Whether these were all that he had'),
  }),
]);
export type LoginEvent = z.infer<typeof loginEvent>;
