import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import type { Checkpoints } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.followers', 0));
  CREATE SCHEMA IF NOT EXISTS followers;
  CREATE TABLE IF NOT EXISTS followers.checkpoints (follower text PRIMARY KEY, position bigint NOT NULL)`;

/** In a table beside the views, which is there when it is used first. */
export function postgresCheckpoints({ pool }: Pick<Database, 'pool'>): Checkpoints {
  const { ask } = ownTables(pool, schema);
  return {
    async read(follower) {
      const { rows } = await ask<{ position: string }>(
        'SELECT position::text FROM followers.checkpoints WHERE follower = $1',
        [follower],
      );
      return rows[0] && BigInt(rows[0].position);
    },

    async write(follower, position) {
      await ask(
        `INSERT INTO followers.checkpoints AS c VALUES ($1, $2)
         ON CONFLICT (follower) DO UPDATE SET position = greatest(c.position, excluded.position)`,
        [follower, position],
      );
    },

    async remove(follower) {
      await ask('DELETE FROM followers.checkpoints WHERE follower = $1', [follower]);
    },
  };
}
