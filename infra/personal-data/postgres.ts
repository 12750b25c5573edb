import { randomBytes } from 'node:crypto';
import type { QueryResultRow } from 'pg';
import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import { openWith, sealWith } from '../secrets/aes-gcm.ts';
import { checkKey, keyCheckTable } from '../secrets/key-check.ts';
import { SealBroken, type SecretBox } from '../secrets/port.ts';
import type { PersonalData } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.secrets', 0));
  CREATE SCHEMA IF NOT EXISTS secrets;
  CREATE TABLE IF NOT EXISTS secrets.user_keys (user_id integer PRIMARY KEY, sealed_key text NOT NULL);
  ${keyCheckTable}`;

/**
 * The keys in a table beside the views, each sealed under the secret key of the installation. It is no view: a replay
 * does not bring it back.
 * @throws SecretKeyUnusable when the table was written under another secret key.
 */
export async function openPersonalData(
  { pool }: Pick<Database, 'pool'>,
  secrets: SecretBox,
): Promise<PersonalData> {
  const tables = ownTables(pool, schema);
  const ask = async <Row extends QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> =>
    (await tables.ask<Row>(text, values)).rows;

  async function keysOf(userIds: readonly number[]): Promise<Map<number, Buffer>> {
    const rows = await ask<{ user_id: number; sealed_key: string }>(
      'SELECT user_id, sealed_key FROM secrets.user_keys WHERE user_id = ANY ($1::integer[])',
      [userIds],
    );
    return new Map(
      rows.map(({ user_id, sealed_key }) => [
        user_id,
        Buffer.from(secrets.open(sealed_key, keyContext(user_id)), 'base64url'),
      ]),
    );
  }

  await tables.make();
  await checkKey(tables.ask, secrets);

  return {
    async seal(userId, text) {
      const fresh = secrets.seal(randomBytes(32).toString('base64url'), keyContext(userId));
      await ask('INSERT INTO secrets.user_keys VALUES ($1, $2) ON CONFLICT DO NOTHING', [userId, fresh]);
      const key = (await keysOf([userId])).get(userId);
      if (key === undefined) throw new Error(`the key of user ${userId} was destroyed while it was used`);
      return sealWith(key, text, profileContext(userId));
    },

    async open(sealed) {
      if (sealed.length === 0) return [];
      const keys = await keysOf(sealed.map(({ userId }) => userId));
      return sealed.map(({ userId, text }) => {
        const key = keys.get(userId);
        return key && openOrNothing(key, text, userId);
      });
    },

    async forget(userId) {
      await ask('DELETE FROM secrets.user_keys WHERE user_id = $1', [userId]);
    },
  };
}

/** A text of before the key was lost and made anew is as lost as that key. */
function openOrNothing(key: Buffer, text: string, userId: number): string | undefined {
  try {
    return openWith(key, text, profileContext(userId));
  } catch (error) {
    if (error instanceof SealBroken) return undefined;
    throw error;
  }
}

const keyContext = (userId: number): string => `user-key/${userId}`;
const profileContext = (userId: number): string => `profile/${userId}`;
