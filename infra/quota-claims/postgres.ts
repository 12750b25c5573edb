import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import { isBeingBuilt } from '../database/projection.ts';
import { inTransaction } from '../database/transaction.ts';
import type { Claim, QuotaClaims } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.quota-claims', 0));
  CREATE SCHEMA IF NOT EXISTS quota_claims;
  CREATE TABLE IF NOT EXISTS quota_claims.claims (
    project_id integer NOT NULL,
    holder uuid NOT NULL,
    bytes bigint NOT NULL,
    blocked boolean NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, holder)
  )`;

export interface PostgresClaimsOptions {
  /** Of this process alone; a UUID. */
  readonly holder: string;
  /** Names of tables of a view in the same database, as SQL: what projects hold in all, and each thing that they hold. */
  readonly usages: string;
  readonly shares: string;
  readonly lifeMs?: number;
}

/** Long enough for a process that is held up, short enough for who waits for one that was killed. */
const usualLifeMs = 30_000;
/** The most that a process claims without a need, in bytes, and which part of what is left. */
const [maxSpare, spareShare] = [2 ** 30, 8];

/**
 * The claims in a table beside the views: a row for each process that pushes into a project, and none for its uploads,
 * so that a thousand of them write nothing there as long as there is room. It is no view: a replay does not bring it back.
 */
export function postgresClaims(
  { pool }: Pick<Database, 'pool'>,
  { holder, usages, shares, lifeMs = usualLifeMs }: PostgresClaimsOptions,
): QuotaClaims {
  const life = lifeMs / 1000;

  const tables = ownTables(pool, schema);

  return {
    lifeMs,

    claim: ({ projectId, project, limit, floor, wanted, blocked }) =>
      tables.within(() =>
        inTransaction(pool, async (client): Promise<Claim> => {
          // One process after the other, and a statement of its own: the next one sees what those before have claimed.
          await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('shiplog.quota-claims', $1))`, [
            projectId,
          ]);
          const { rows } = await client.query<
            Record<'claimed' | 'used' | 'others', bigint> & { kept: boolean }
          >(
            `WITH mine AS (
               SELECT FROM quota_claims.claims
               WHERE project_id = $1 AND holder = $2 AND expires_at > clock_timestamp()
             ), gone AS (
               DELETE FROM quota_claims.claims
               WHERE project_id = $1 AND holder <> $2 AND expires_at <= clock_timestamp()
             ), others AS (
               SELECT coalesce(sum(bytes), 0)::bigint AS bytes, coalesce(bool_or(blocked), false) AS blocked
               FROM quota_claims.claims
               WHERE project_id = $1 AND holder <> $2 AND expires_at > clock_timestamp()
             ), used AS (
               SELECT coalesce((SELECT bytes FROM ${usages} WHERE project = $3), 0)::bigint AS bytes
             ), room AS (
               SELECT $4::bigint - used.bytes - others.bytes AS bytes, others.blocked FROM used, others
             ), claimed AS (
               INSERT INTO quota_claims.claims (project_id, holder, bytes, blocked, expires_at)
               SELECT $1, $2,
                 greatest($5::bigint, least(bytes, $6::bigint + CASE
                   WHEN blocked OR bytes <= $6::bigint THEN 0
                   ELSE least(${maxSpare}, (bytes - $6::bigint) / ${spareShare}) END)),
                 $7, clock_timestamp() + make_interval(secs => ${life})
               FROM room
               ON CONFLICT (project_id, holder) DO UPDATE
               SET bytes = excluded.bytes, blocked = excluded.blocked, expires_at = excluded.expires_at
               RETURNING bytes
             )
             SELECT claimed.bytes AS claimed, used.bytes AS used, others.bytes AS others,
               EXISTS (SELECT FROM mine) AS kept
             FROM claimed, used, others`,
            [projectId, holder, project, limit, floor, wanted, blocked],
          );
          const [row] = rows;
          if (row === undefined) throw new Error('a claim was not written');
          return {
            claimed: Number(row.claimed),
            used: Number(row.used),
            others: Number(row.others),
            kept: row.kept,
          };
        }),
      ),

    keep: (projectId, bytes) =>
      tables.within(async () => {
        // What has ended is not kept: in the room that it had there may be what others have claimed since.
        const { rows } = await pool.query<{ kept: boolean; blocked: boolean }>(
          `WITH kept AS (
             UPDATE quota_claims.claims
             SET bytes = $3, blocked = false, expires_at = clock_timestamp() + make_interval(secs => ${life})
             WHERE project_id = $1 AND holder = $2 AND expires_at > clock_timestamp()
             RETURNING bytes
           )
           SELECT EXISTS (SELECT FROM kept) AS kept, EXISTS (
             SELECT FROM quota_claims.claims
             WHERE project_id = $1 AND holder <> $2 AND blocked AND expires_at > clock_timestamp()
           ) AS blocked`,
          [projectId, holder, bytes],
        );
        return rows[0]?.kept ? { othersWait: rows[0].blocked } : undefined;
      }),

    release: (projectId) =>
      tables.within(async () => {
        await pool.query('DELETE FROM quota_claims.claims WHERE project_id = $1 AND holder = $2', [
          projectId,
          holder,
        ]);
      }),

    async used(project) {
      const { rows } = await pool.query<{ bytes: bigint }>(`SELECT bytes FROM ${usages} WHERE project = $1`, [
        project,
      ]);
      return Number(rows[0]?.bytes ?? 0);
    },

    async holdsAsLarge(project, bytes) {
      const { rows } = await pool.query<{ held: boolean }>(
        `SELECT EXISTS (SELECT FROM ${shares} WHERE project = $1 AND kind = 'blob' AND size >= $2) AS held`,
        [project, bytes],
      );
      return rows[0]?.held ?? false;
    },

    async held(project, contents) {
      const { rows } = await pool.query<{ kind: 'blob' | 'manifest'; digest: string }>(
        `SELECT kind, digest FROM ${shares} WHERE project = $1 AND (kind, digest) IN (
           SELECT k COLLATE "C", d COLLATE "C" FROM unnest($2::text[], $3::text[]) AS asked(k, d))`,
        [project, contents.map(({ kind }) => kind), contents.map(({ digest }) => digest)],
      );
      return rows;
    },
  };
}

/** Gives back all that a process had claimed that is not there any more. */
export async function releaseClaimsOf({ pool }: Pick<Database, 'pool'>, holder: string): Promise<void> {
  try {
    await pool.query('DELETE FROM quota_claims.claims WHERE holder = $1', [holder]);
  } catch (error) {
    if (!isBeingBuilt(error)) throw error;
  }
}
