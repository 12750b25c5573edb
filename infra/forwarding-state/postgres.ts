import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import type { ForwardingState } from './port.ts';

/** Of a target, the newest; how many there were in all is counted. */
const maxKept = 1000;

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.followers', 0));
  CREATE SCHEMA IF NOT EXISTS followers;
  CREATE TABLE IF NOT EXISTS followers.audit_targets (
    target text PRIMARY KEY, last_error text, last_error_at timestamptz,
    refused bigint NOT NULL DEFAULT 0, refused_in_a_row integer NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS followers.audit_refused (
    target text, id uuid, position bigint NOT NULL, reason text NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (target, id))`;

/** In tables beside the views, which are there when they are used first. */
export function postgresForwardingState({ pool }: Pick<Database, 'pool'>): ForwardingState {
  const { ask } = ownTables(pool, schema);
  return {
    async all() {
      const { rows } = await ask<{
        target: string;
        last_error: string | null;
        last_error_at: Date | null;
        refused: string;
      }>('SELECT target, last_error, last_error_at, refused::text FROM followers.audit_targets', []);
      return new Map(
        rows.map(({ target, last_error, last_error_at, refused }) => [
          target,
          {
            lastError: last_error ?? undefined,
            lastErrorAt: last_error_at ?? undefined,
            refused: Number(refused),
          },
        ]),
      );
    },

    async refusedBy(target, limit) {
      const { rows } = await ask<{ id: string; position: string; reason: string; at: Date }>(
        `SELECT id, position::text, reason, at FROM followers.audit_refused WHERE target = $1
         ORDER BY position DESC LIMIT $2`,
        [target, limit],
      );
      return rows.map((row) => ({ ...row, position: BigInt(row.position) }));
    },

    async refusedInARow(target) {
      const { rows } = await ask<{ refused_in_a_row: number }>(
        'SELECT refused_in_a_row FROM followers.audit_targets WHERE target = $1',
        [target],
      );
      return rows[0]?.refused_in_a_row ?? 0;
    },

    async failed(target, error) {
      await ask(
        `INSERT INTO followers.audit_targets (target, last_error, last_error_at) VALUES ($1, $2, now())
         ON CONFLICT (target) DO UPDATE SET last_error = excluded.last_error, last_error_at = excluded.last_error_at`,
        [target, error],
      );
    },

    async putAside(target, { id, position, reason }) {
      const { rows } = await ask<{ refused_in_a_row: number }>(
        `WITH aside AS (
           INSERT INTO followers.audit_refused (target, id, position, reason) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING RETURNING 1
         ), new AS (SELECT count(*)::integer AS n FROM aside)
         INSERT INTO followers.audit_targets AS t (target, refused, refused_in_a_row) SELECT $1, n, n FROM new
         ON CONFLICT (target) DO UPDATE SET refused = t.refused + excluded.refused,
           refused_in_a_row = t.refused_in_a_row + excluded.refused_in_a_row
         RETURNING refused_in_a_row`,
        [target, id, position, reason],
      );
      await ask(
        `DELETE FROM followers.audit_refused WHERE target = $1 AND position < (
           SELECT position FROM followers.audit_refused WHERE target = $1
           ORDER BY position DESC OFFSET ${maxKept - 1} LIMIT 1)`,
        [target],
      );
      return rows[0]?.refused_in_a_row ?? 0;
    },

    async took(target, ids) {
      await ask(
        `WITH gone AS (DELETE FROM followers.audit_refused WHERE target = $1 AND id = ANY ($2::uuid[]) RETURNING 1)
         UPDATE followers.audit_targets SET refused_in_a_row = 0, refused = refused - (SELECT count(*) FROM gone)
         WHERE target = $1`,
        [target, ids],
      );
    },

    async forgetWords() {
      await ask(`UPDATE followers.audit_refused SET reason = '' WHERE reason <> ''`, []);
      await ask(`UPDATE followers.audit_targets SET last_error = '' WHERE last_error <> ''`, []);
      await ask('VACUUM followers.audit_refused, followers.audit_targets', []);
    },
  };
}
