import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import { inTransaction } from '../database/transaction.ts';
import type { Session, SessionStore } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.sessions', 0));
  CREATE SCHEMA IF NOT EXISTS sessions;
  CREATE TABLE IF NOT EXISTS sessions.open_sessions (
    id_hash text COLLATE "C" PRIMARY KEY,
    user_id integer NOT NULL,
    username text NOT NULL,
    credential_version integer NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL
  );
  CREATE INDEX IF NOT EXISTS open_sessions_by_user ON sessions.open_sessions (user_id, created_at);
  CREATE INDEX IF NOT EXISTS open_sessions_by_end ON sessions.open_sessions (expires_at)`;

interface Row {
  readonly id_hash: string;
  readonly user_id: number;
  readonly username: string;
  readonly credential_version: number;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  readonly address: string;
  readonly user_agent: string;
}

/** The sessions in a table beside the views. It is no view: a replay does not bring it back. */
export async function openPostgresSessions({ pool }: Pick<Database, 'pool'>): Promise<SessionStore> {
  const tables = ownTables(pool, schema);
  const ask = (text: string, values: readonly unknown[]) => tables.ask<Row>(text, values);

  const insert = ({ idHash, user, ...session }: Session, max: number): Promise<void> =>
    inTransaction(pool, async (client) => {
      // Who opens one sees those that others have opened for the user, and counts them.
      await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('shiplog.sessions', $1))`, [
        user.userId,
      ]);
      await client.query('INSERT INTO sessions.open_sessions VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
        ...[idHash, user.userId, user.username, user.credentialVersion],
        ...[session.createdAt, session.lastUsedAt, session.expiresAt, session.address, session.userAgent],
      ]);
      await client.query(
        `DELETE FROM sessions.open_sessions WHERE id_hash IN (
           SELECT id_hash FROM sessions.open_sessions WHERE user_id = $1
           ORDER BY expires_at > $2 DESC, created_at DESC, id_hash OFFSET $3)`,
        [user.userId, new Date(), max],
      );
    });

  await tables.make();

  return {
    open: (session, max) => tables.within(() => insert(session, max)),

    async find(idHash) {
      const { rows } = await ask(
        'SELECT * FROM sessions.open_sessions WHERE id_hash = $1 AND expires_at > $2',
        [idHash, new Date()],
      );
      return rows.map(sessionIn).at(0);
    },

    async renew({ idHash, lastUsedAt, expiresAt, address, userAgent }) {
      await ask(
        `UPDATE sessions.open_sessions SET last_used_at = $2, expires_at = $3, address = $4, user_agent = $5
         WHERE id_hash = $1`,
        [idHash, lastUsedAt, expiresAt, address, userAgent],
      );
    },

    async listOf(userId) {
      const { rows } = await ask(
        `SELECT * FROM sessions.open_sessions WHERE user_id = $1 AND expires_at > $2
         ORDER BY created_at DESC, id_hash`,
        [userId, new Date()],
      );
      return rows.map(sessionIn);
    },

    async end(idHash) {
      const { rows } = await ask('DELETE FROM sessions.open_sessions WHERE id_hash = $1 RETURNING *', [
        idHash,
      ]);
      return rows.some(({ expires_at }) => expires_at > new Date());
    },

    async endAllOf(userId) {
      await ask('DELETE FROM sessions.open_sessions WHERE user_id = $1', [userId]);
    },

    async sweep(limit) {
      const { rowCount } = await ask(
        `DELETE FROM sessions.open_sessions WHERE id_hash IN (
           SELECT id_hash FROM sessions.open_sessions WHERE expires_at <= $1
           ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
        [new Date(), limit],
      );
      return rowCount ?? 0;
    },
  };
}

const sessionIn = (row: Row): Session => ({
  idHash: row.id_hash,
  user: { userId: row.user_id, username: row.username, credentialVersion: row.credential_version },
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
  expiresAt: row.expires_at,
  address: row.address,
  userAgent: row.user_agent,
});
