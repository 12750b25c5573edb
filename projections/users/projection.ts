import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface UsersDatabase {
  users: {
    username: string;
    user_id: number;
    administrator: boolean;
    password_hash: string;
    credential_version: number;
    email_key: string | null;
    profile: string | null;
    created_at: Date;
    updated_at: Date;
  };
}

/** The users, and what their passwords are checked against. Profiles are as sealed as in the events. */
export const users: Projection<UserEvent> = {
  name: 'users',
  version: 2,
  showsUserNames: true,
  handles: [
    'UserCreated',
    'UserProfileChanged',
    'UserPasswordChanged',
    'UserAdministratorChanged',
    'UserDeleted',
  ],

  async create(db) {
    await db.schema
      .createTable('users')
      .addColumn('username', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('user_id', 'integer', (column) => column.notNull().unique())
      .addColumn('administrator', 'boolean', (column) => column.notNull())
      .addColumn('password_hash', 'text', (column) => column.notNull())
      .addColumn('credential_version', 'integer', (column) => column.notNull())
      .addColumn('email_key', 'text')
      .addColumn('profile', 'text')
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('users_by_email').on('users').column('email_key').execute();
  },

  apply: (tables, events) => takeSteps(tables, events, (event) => [stepOf(event)]),
};

function stepOf(event: RecordedEvent<UserEvent>): Step {
  const { userId } = event.data;
  const change = (columns: object): Step => ({
    by: 'update',
    table: 'users',
    key: ['user_id'],
    row: { user_id: userId, ...columns, updated_at: event.recordedAt },
  });
  // Grows with each password, also where somebody else had the name before.
  const credentialVersion = Number(event.revision);
  switch (event.type) {
    case 'UserCreated': {
      const { username, administrator, passwordHash, emailKey, profile } = event.data;
      const row = {
        username,
        user_id: userId,
        administrator,
        password_hash: passwordHash,
        credential_version: credentialVersion,
        email_key: emailKey,
        profile,
        created_at: event.recordedAt,
        updated_at: event.recordedAt,
      };
      return { by: 'write', table: 'users', key: ['username'], row };
    }
    case 'UserProfileChanged':
      return change({ email_key: event.data.emailKey, profile: event.data.profile });
    case 'UserPasswordChanged':
      return change({ password_hash: event.data.passwordHash, credential_version: credentialVersion });
    case 'UserAdministratorChanged':
      return change({ administrator: event.data.administrator });
    case 'UserDeleted':
      return { by: 'remove', table: 'users', key: ['user_id'], row: { user_id: userId } };
  }
}
