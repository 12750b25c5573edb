import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import { inTransaction } from '../database/transaction.ts';
import type { AuditExport, AuditExports } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.audit_exports', 0));
  CREATE SCHEMA IF NOT EXISTS audit_exports;
  CREATE TABLE IF NOT EXISTS audit_exports.exports (
    id uuid PRIMARY KEY,
    owner text NOT NULL,
    format text NOT NULL,
    request jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    entries bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    parts integer NOT NULL DEFAULT 0,
    place jsonb,
    is_done boolean NOT NULL DEFAULT false,
    execution_id integer
  );
  CREATE INDEX IF NOT EXISTS exports_by_time ON audit_exports.exports (created_at);
  CREATE INDEX IF NOT EXISTS exports_by_owner ON audit_exports.exports (owner, created_at);
  CREATE TABLE IF NOT EXISTS audit_exports.parts (
    export_id uuid NOT NULL REFERENCES audit_exports.exports ON DELETE CASCADE,
    part integer NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (export_id, part)
  );
  ALTER TABLE audit_exports.parts ALTER COLUMN bytes SET STORAGE EXTERNAL`;

interface Row {
  readonly id: string;
  readonly owner: string;
  readonly format: string;
  readonly request: AuditExport['request'];
  readonly created_at: Date;
  readonly entries: bigint;
  readonly bytes: bigint;
  readonly parts: number;
  readonly place: AuditExport['place'];
  readonly is_done: boolean;
  readonly execution_id: number | null;
}

const exportOf = ({ id, owner, format, request, parts, place, ...row }: Row): AuditExport => ({
  ...{ id, owner, format, request, parts, place },
  createdAt: row.created_at,
  entries: Number(row.entries),
  bytes: Number(row.bytes),
  isDone: row.is_done,
  executionId: row.execution_id ?? undefined,
});

/** The exports in tables beside the views, which are made when they are first asked for. */
export function postgresExports({ pool }: Pick<Database, 'pool'>): AuditExports {
  const { ask, within } = ownTables(pool, schema);

  return {
    create: ({ id, owner, format, request, createdAt }, maxKept) =>
      within(() =>
        inTransaction(pool, async (client) => {
          // Of two at once the later one counts the earlier.
          await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('shiplog.audit_exports', 1))`);
          const { rowCount } = await client.query(
            `INSERT INTO audit_exports.exports (id, owner, format, request, created_at)
             SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM audit_exports.exports WHERE owner = $2) < $6`,
            [id, owner, format, JSON.stringify(request), createdAt, maxKept],
          );
          return rowCount === 1;
        }),
      ),

    async begun(id, executionId) {
      await ask('UPDATE audit_exports.exports SET execution_id = $2 WHERE id = $1', [id, executionId]);
    },

    async find(id) {
      const { rows } = await ask<Row>('SELECT * FROM audit_exports.exports WHERE id = $1', [id]);
      return rows[0] && exportOf(rows[0]);
    },

    async list(owner, limit) {
      const { rows } = await ask<Row>(
        `SELECT * FROM audit_exports.exports WHERE $1::text IS NULL OR owner = $1
         ORDER BY created_at DESC, id LIMIT $2`,
        [owner, limit],
      );
      return rows.map(exportOf);
    },

    append: (id, { part, bytes, entries, place, isLast }) =>
      within(() =>
        inTransaction(pool, async (client) => {
          // The lock on the row makes of two that write the same part one the later.
          const { rowCount } = await client.query(
            `UPDATE audit_exports.exports
             SET parts = parts + 1, entries = entries + $3, bytes = bytes + $4, place = $5, is_done = $6
             WHERE id = $1 AND parts = $2 AND NOT is_done`,
            [id, part, entries, bytes.byteLength, place === null ? null : JSON.stringify(place), isLast],
          );
          if (rowCount !== 1) return false;
          await client.query('INSERT INTO audit_exports.parts (export_id, part, bytes) VALUES ($1, $2, $3)', [
            ...[id, part, Buffer.from(bytes)],
          ]);
          return true;
        }),
      ),

    async read(id, part) {
      const { rows } = await ask<{ bytes: Buffer }>(
        'SELECT bytes FROM audit_exports.parts WHERE export_id = $1 AND part = $2',
        [id, part],
      );
      return rows[0]?.bytes;
    },

    async forget(id) {
      const { rowCount } = await ask('DELETE FROM audit_exports.exports WHERE id = $1', [id]);
      return rowCount === 1;
    },

    async sweep(before) {
      const { rowCount } = await ask('DELETE FROM audit_exports.exports WHERE created_at < $1', [before]);
      return rowCount ?? 0;
    },

    async forgetAll() {
      await ask('TRUNCATE audit_exports.exports, audit_exports.parts', []);
    },
  };
}
