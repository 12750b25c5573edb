import { sql } from 'kysely';
import type { TokenPermission } from '../../domain/access/principal.ts';
import type { AccessTokenEvent } from '../../domain/access-token/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface AccessTokensDatabase {
  access_tokens: {
    token_id: number;
    user_id: number;
    username: string;
    name: string;
    description: string;
    permissions: readonly TokenPermission[] | null;
    secret_hash: string;
    created_at: Date;
    expires_at: Date | null;
  };
}

export type AccessTokensEvent = AccessTokenEvent | Extract<UserEvent, { type: 'UserDeleted' }>;

/** The access tokens of users that there are, and what they are checked against. */
export const accessTokens: Projection<AccessTokensEvent> = {
  name: 'access_tokens',
  version: 1,
  showsUserNames: true,
  handles: ['AccessTokenCreated', 'AccessTokenRevoked', 'UserDeleted'],

  async create(db) {
    await db.schema
      .createTable('access_tokens')
      .addColumn('token_id', 'integer', (column) => column.primaryKey())
      .addColumn('user_id', 'integer', (column) => column.notNull())
      .addColumn('username', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('description', 'text', (column) => column.notNull())
      .addColumn('permissions', 'jsonb')
      .addColumn('secret_hash', 'text', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('expires_at', 'timestamptz')
      .execute();
    await db.schema.createIndex('access_tokens_by_user').on('access_tokens').column('user_id').execute();
  },

  apply: (tables, events) => takeSteps(tables, events, (event) => [stepOf(event)]),
};

const table = 'access_tokens';

function stepOf(event: RecordedEvent<AccessTokensEvent>): Step {
  switch (event.type) {
    case 'AccessTokenCreated': {
      const { tokenId, userId, username, name, description, permissions, secretHash } = event.data;
      const row = {
        token_id: tokenId,
        user_id: userId,
        username,
        name,
        description,
        permissions,
        secret_hash: secretHash,
        created_at: event.data.createdAt,
        expires_at: event.data.expiresAt,
      };
      return { by: 'write', table, key: ['token_id'], row };
    }
    case 'AccessTokenRevoked':
      return { by: 'remove', table, key: ['token_id'], row: { token_id: event.data.tokenId } };
    case 'UserDeleted':
      return { by: 'remove', table, key: ['user_id'], row: { user_id: event.data.userId }, spans: true };
  }
}
