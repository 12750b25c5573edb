import type { Kysely } from 'kysely';
import type { UsersDatabase } from './projection.ts';

export interface LoginUser {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  /** argon2id in PHC string format. */
  readonly passwordHash: string;
  /** Grows with each change of the password. */
  readonly credentialVersion: number;
}

/** @param usernameOrEmailKey a user name, or the keyed hash of an e-mail address; see `emailKeyOf`. */
export const findLoginUser = (
  db: Kysely<UsersDatabase>,
  usernameOrEmailKey: string,
): Promise<LoginUser | undefined> =>
  db
    .selectFrom('users')
    .select([
      'username',
      'user_id as userId',
      'administrator',
      'password_hash as passwordHash',
      'credential_version as credentialVersion',
    ])
    .where((row) =>
      row.or([row('username', '=', usernameOrEmailKey), row('email_key', '=', usernameOrEmailKey)]),
    )
    // A user may be called like the key of another one's address.
    .orderBy((row) => row('username', '=', usernameOrEmailKey), 'desc')
    .limit(1)
    .executeTakeFirst();
