import { sql } from 'kysely';
import type { PublicKey, TokenKeyEvent } from '../../domain/token-key/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface TokenKeysDatabase {
  token_keys: {
    kid: string;
    public_key: PublicKey;
    sealed_private_key: string;
    signs_from: Date;
  };
  retired_token_keys: { kid: string; verifies_until: Date };
}

/** The keys that sign registry tokens, and until when those that no longer sign still verify. */
export const tokenKeys: Projection<TokenKeyEvent> = {
  name: 'token_keys',
  version: 1,
  handles: ['SigningKeyCreated', 'SigningKeyRetired'],

  async create(db) {
    await db.schema
      .createTable('token_keys')
      .addColumn('kid', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('public_key', 'jsonb', (column) => column.notNull())
      .addColumn('sealed_private_key', 'text', (column) => column.notNull())
      .addColumn('signs_from', 'timestamptz', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('retired_token_keys')
      .addColumn('kid', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('verifies_until', 'timestamptz', (column) => column.notNull())
      .execute();
  },

  async apply(tables, events) {
    const created = events.flatMap(({ type, data }) =>
      type === 'SigningKeyCreated'
        ? [
            {
              kid: data.kid,
              public_key: data.publicKey,
              sealed_private_key: data.sealedPrivateKey,
              signs_from: data.signsFrom,
            },
          ]
        : [],
    );
    const retired = events.flatMap(({ type, data }) =>
      type === 'SigningKeyRetired' ? [{ kid: data.kid, verifies_until: data.verifiesUntil }] : [],
    );
    await tables.write('token_keys', ['kid'], created);
    await tables.write('retired_token_keys', ['kid'], retired);
  },
};
