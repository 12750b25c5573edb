import { z } from 'zod';
import { flag, list, secret, section, text, whole } from '../fields.ts';

const serviceExpected = 'letters, digits, . _ : -, without the words basic and bearer';
const projectExpected = 'names of projects';

export const access = {
  token: section('The tokens that clients get for a password, and send with every request.', {
    service: text('The name of the service that the tokens are for, as clients ask for it.', serviceExpected)
      // Some clients look for those words anywhere in the challenge.
      .regex(/^(?!.*(?:basic|bearer))[\w.:-]{1,128}$/i, { error: serviceExpected })
      .default('harbor-registry'),
    expiration_minutes: whole('How long a token lives, in minutes.', 1, 1440).default(30),
    refresh_days: whole(
      'How long a client that has asked for a refresh token, as docker does, can go on without the password, in days.',
      1,
      3650,
    ).default(90),
    key_days: whole(
      'After how many days tokens are signed with a new key; 0 for never by itself. `shiplog token-keys rotate` makes a new one at any time.',
      0,
      3650,
    ).default(90),
  }).prefault({}),

  robot_name_prefix: text('What the user names of robot accounts begin with.').default('robot$'),

  internal_secret: secret(
    'What internal components show in `Authorization: Harbor-Secret <secret>` to read all settings and secrets at `/api/v2.0/internalconfig`: at least 16 characters without a space. Without it nobody reads them there.',
  )
    .refine((value) => /^\S{16,}$/.test(value.reveal()), {
      error: 'a secret of at least 16 characters without a space',
    })
    .optional(),

  gdpr: section('What is left of a user who was deleted.', {
    delete_user: flag(
      'Whether who is deleted is erased, too: the name is destroyed as it is by `POST /api/v2.0/users/{user_id}/erasure`, and the audit log shows a word with the number.',
    ).default(false),
  }).prefault({}),

  anonymous_write: list(
    'Projects in which anybody may pull, push and delete without logging in, for closed networks and test rigs.',
    z.string({ error: projectExpected }).min(1, { error: projectExpected }),
  ).default([]),
} satisfies z.core.$ZodShape;
