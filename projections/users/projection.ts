import { sql } from 'kysely';
import type { UserEvent } from '../../domain/user/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface UsersDatabase {
  users: { username: string; user_id: number; administrator: boolean; password_hash: string };
}

/** Who can log in, and what their password is checked against. */
export const users: Projection<UserEvent> = {
  name: 'users',
  version: 1,
  handles: ['UserCreated'],

  create: (db) =>
    db.schema
      .createTable('users')
      .addColumn('username', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('user_id', 'integer', (column) => column.notNull().unique())
      .addColumn('administrator', 'boolean', (column) => column.notNull())
      .addColumn('password_hash', 'text', (column) => column.notNull())
      .execute(),

  apply(tables, events) {
    const rows = events.map(({ data }) => ({
      username: data.username,
      user_id: data.userId,
      administrator: data.administrator,
      password_hash: data.passwordHash,
    }));
    return tables.write('users', ['username'], rows);
  },
};
