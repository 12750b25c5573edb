import type { Kysely } from 'kysely';
import type { UsersDatabase } from './projection.ts';

export interface LoginUser {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  /** argon2id in PHC string format. */
  readonly passwordHash: string;
}

export const findLoginUser = (db: Kysely<UsersDatabase>, username: string): Promise<LoginUser | undefined> =>
  db
    .selectFrom('users')
    .select(['username', 'user_id as userId', 'administrator', 'password_hash as passwordHash'])
    .where('username', '=', username)
    .executeTakeFirst();
