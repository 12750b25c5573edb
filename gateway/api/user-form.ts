import { z } from 'zod';
import { type Profile, readProfile } from '../../commands/profile.ts';
import { looksLikePseudonym } from '../../domain/user/pseudonym.ts';
import type { ListedUser } from '../../projections/users/queries.ts';
import { time } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import type { ApiPorts } from './ports.ts';

/** Harbor's limits for what people write of themselves. */
const maxLength = 255;
const maxComment = 30;
/** Characters that Harbor allows in no name, and those that no one can see. */
const illegal = /[,"~#%$]|\p{C}/u;
/** A colon ends the name in the Basic credentials that docker sends (RFC 7617). */
const illegalInUsername = /:/;

/** @throws RequestRefused 400 */
export function requireProfile({ email, realname, comment }: Profile): void {
  if (email === '') throw badRequest("email can't be empty");
  if (email.length > maxLength || !/^[^\s@<>()[\]\\,;:"]+@[^\s@<>()[\]\\,;:"]+$/.test(email))
    throw badRequest('email with illegal format');
  if (realname === '' || realname.length > maxLength) throw badRequest('realname with illegal length');
  if (illegal.test(realname)) throw badRequest('realname contains illegal characters');
  if (comment.length > maxComment) throw badRequest('comment with illegal length');
}

/** The name as it is kept. @throws RequestRefused 400 */
export function readUsername(written: string): string {
  const username = written.replaceAll(',', '_');
  if (username === '' || username.length > maxLength) throw badRequest('username with illegal length');
  if (illegal.test(username) || illegalInUsername.test(username))
    throw badRequest('username contains illegal characters');
  if (looksLikePseudonym(username)) throw badRequest('username stands for users who were erased');
  return username;
}

/** Of who chooses his own name: it looks like what it is. @throws RequestRefused 400 */
export function requirePlain(username: string): void {
  if (
    username.trim() !== username ||
    /[^\S ]| {2}/u.test(username) ||
    username.normalize('NFKC') !== username
  )
    throw badRequest('username contains illegal characters');
}

/** Harbor's `UserResp`. */
export const userAnswer = z
  .object({
    user_id: z.int(),
    username: z.string(),
    email: z.string(),
    realname: z.string(),
    comment: z.string(),
    sysadmin_flag: z.boolean(),
    admin_role_in_auth: z.boolean().describe('Whether a directory makes an administrator of him'),
    creation_time: time,
    update_time: time,
  })
  .meta({ id: 'UserResp' });

/** Harbor's `UserSearchRespItem`. */
export const foundUser = z
  .object({ user_id: z.int(), username: z.string() })
  .meta({ id: 'UserSearchRespItem' });

/** How users are shown, with the profiles opened in one go. */
export async function shownUsers({ personalData }: ApiPorts, users: readonly ListedUser[]) {
  const sealed = users.filter(({ profile }) => profile !== null);
  const texts = await personalData.open(
    sealed.map(({ userId, profile }) => ({ userId, text: profile ?? '' })),
  );
  const profiles = new Map(sealed.map(({ userId }, index) => [userId, readProfile(texts[index])]));
  return users.map((user) => {
    const { email, realname, comment } = profiles.get(user.userId) ?? readProfile(undefined);
    return {
      user_id: user.userId,
      username: user.username,
      email,
      realname,
      comment,
      sysadmin_flag: user.administrator,
      // An administrator by way of a directory; there is none yet.
      admin_role_in_auth: false,
      creation_time: user.createdAt,
      update_time: user.updatedAt,
    };
  });
}
