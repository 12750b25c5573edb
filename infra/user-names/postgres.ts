import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { QueryResultRow } from 'pg';
import type { Database } from '../database/connect.ts';
import { isOutage } from '../database/outage.ts';
import { ownTables } from '../database/own-tables.ts';
import { LogUnavailable } from '../event-log/port.ts';
import { openWith, sealWith } from '../secrets/aes-gcm.ts';
import { checkKey, keyCheckTable } from '../secrets/key-check.ts';
import type { SecretBox } from '../secrets/port.ts';
import type { KnownName, NamedUser, UserNames } from './port.ts';

/** How long this process believes what it has kept, in milliseconds. */
const staleMs = 1000;
const maxKept = 100_000;
const changesAtOnce = 10_000;

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.secrets', 0));
  CREATE SCHEMA IF NOT EXISTS secrets;
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.user-names', 0));
  CREATE SEQUENCE IF NOT EXISTS secrets.user_name_changes;
  -- Where the tables were lost, it goes on behind what other processes have heard of.
  SELECT setval('secrets.user_name_changes', (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    FROM secrets.user_name_changes WHERE NOT is_called;
  CREATE TABLE IF NOT EXISTS secrets.user_names (
    user_id integer PRIMARY KEY,
    name_key text NOT NULL,
    -- Null for a user who was erased.
    sealed_key text,
    sealed_name text,
    -- False for one who is being created.
    certain boolean NOT NULL,
    -- Grows with each change of a row, in the order in which others come to see them.
    change bigint NOT NULL
  );
  CREATE INDEX IF NOT EXISTS user_names_by_key ON secrets.user_names (name_key, user_id);
  CREATE INDEX IF NOT EXISTS user_names_by_change ON secrets.user_names (change);
  CREATE INDEX IF NOT EXISTS user_names_erased ON secrets.user_names (user_id) WHERE sealed_key IS NULL;
  ${keyCheckTable}`;

/** Who changes something waits for those who have begun before, so that no change comes to be seen behind a later one. */
const inOrder = `in_order AS MATERIALIZED (
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.user-names', 0)))`;
const nextChange = `nextval('secrets.user_name_changes')`;

const statements = {
  start: `
    SELECT coalesce(max(change), 0) AS last FROM secrets.user_names`,
  erased: 'SELECT user_id, name_key FROM secrets.user_names WHERE sealed_key IS NULL',
  changes: `
    SELECT user_id, name_key, sealed_key IS NULL AS erased, change FROM secrets.user_names
    WHERE change > $1 ORDER BY change LIMIT ${changesAtOnce}`,
  of: `
    SELECT user_id, name_key, sealed_key, sealed_name, certain FROM secrets.user_names
    WHERE user_id = ANY ($1::integer[])`,
  bearers: `
    SELECT name_key, max(user_id) FILTER (WHERE certain) AS user_id, bool_or(NOT certain) AS unsure
    FROM secrets.user_names WHERE name_key = ANY ($1::text[]) GROUP BY name_key`,
  keep: `
    WITH ${inOrder}
    INSERT INTO secrets.user_names AS n
    SELECT given.*, ${nextChange} FROM in_order,
      unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::boolean[]) AS given
    ON CONFLICT (user_id) DO UPDATE SET certain = true, change = excluded.change
    WHERE excluded.certain AND NOT n.certain`,
  reused: `
    SELECT EXISTS (
      SELECT FROM secrets.user_names n JOIN unnest($1::integer[], $2::text[]) AS given (user_id, name_key)
      ON n.name_key = given.name_key AND n.user_id <> given.user_id WHERE n.certain) AS reused`,
  confirm: `
    WITH ${inOrder}
    UPDATE secrets.user_names SET certain = true, change = ${nextChange} FROM in_order
    WHERE user_id = ANY ($1::integer[]) AND NOT certain`,
  drop: 'DELETE FROM secrets.user_names WHERE user_id = ANY ($1::integer[]) AND NOT certain',
  erase: `
    WITH ${inOrder}
    UPDATE secrets.user_names SET sealed_key = NULL, sealed_name = NULL, change = ${nextChange} FROM in_order
    WHERE user_id = $1 AND sealed_key IS NOT NULL`,
  tidy: 'VACUUM secrets.user_names',
};

/**
 * The names in a table beside the event log, or, where that is no PostgreSQL, beside the views. No replay brings them back.
 * @throws SecretKeyUnusable when the table was written under another secret key.
 */
export async function openUserNames(
  { pool }: Pick<Database, 'pool'>,
  secrets: SecretBox,
): Promise<UserNames> {
  const tables = ownTables(pool, schema);
  const kept = new LRUCache<number, KnownName>({ max: maxKept });
  const bearers = new LRUCache<string, { readonly userId: number; readonly key: string }>({ max: maxKept });
  const keys = new LRUCache<string, string>({ max: maxKept });
  const erased = new Map<string, number>();
  /** Grows when something that was kept is found to be outdated: an answer from before must not be kept then. */
  let generation = 0;
  let lastChange: bigint;
  let believedUntil = Number.NEGATIVE_INFINITY;
  let refreshing: Promise<void> | undefined;

  async function ask<Row extends QueryResultRow>(
    name: keyof typeof statements,
    values: readonly unknown[],
  ): Promise<Row[]> {
    try {
      return (await tables.ask<Row>(statements[name], values)).rows;
    } catch (error) {
      if (isOutage(error))
        throw new LogUnavailable('PostgreSQL does not answer who is called how', { cause: error });
      throw error;
    }
  }

  await tables.make();
  await checkKey(tables.ask, secrets);
  await begin();

  async function begin(): Promise<void> {
    believedUntil = performance.now() + staleMs;
    const [row] = await ask<{ last: bigint }>('start', []);
    lastChange = BigInt(row?.last ?? 0);
    for (const { user_id, name_key } of await ask<{ user_id: number; name_key: string }>('erased', []))
      noteErased(name_key, user_id);
  }

  function noteErased(key: string, userId: number): void {
    const first = erased.get(key);
    if (first === undefined || userId < first) erased.set(key, userId);
  }

  async function hearChanges(): Promise<void> {
    const startedAt = performance.now();
    for (;;) {
      const changes = await ask<{ user_id: number; name_key: string; erased: boolean; change: bigint }>(
        'changes',
        [lastChange],
      );
      for (const change of changes) {
        generation += 1;
        kept.delete(change.user_id);
        if (change.erased) noteErased(change.name_key, change.user_id);
        lastChange = BigInt(change.change);
      }
      const touched = new Set(changes.map(({ name_key }) => name_key));
      if (touched.size > 0) for (const [name, { key }] of bearers) if (touched.has(key)) bearers.delete(name);
      if (changes.length < changesAtOnce) break;
    }
    believedUntil = startedAt + staleMs;
  }

  async function load(userIds: readonly number[]): Promise<Map<number, KnownName>> {
    const asOf = generation;
    const rows = await ask<{
      user_id: number;
      name_key: string;
      sealed_key: string | null;
      sealed_name: string | null;
      certain: boolean;
    }>('of', [userIds]);
    return new Map(
      rows.map(({ user_id, name_key: key, sealed_key, sealed_name: sealed, certain: exists }) => {
        const name =
          sealed_key === null || sealed === null
            ? null
            : openWith(
                Buffer.from(secrets.open(sealed_key, keyContext(user_id)), 'base64url'),
                sealed,
                nameContext(user_id),
              );
        const known = { name, sealed, key, exists };
        if (asOf === generation) kept.set(user_id, known);
        return [user_id, known];
      }),
    );
  }

  const names: UserNames = {
    staleMs,

    async refresh() {
      const calledAt = performance.now();
      while (calledAt > believedUntil) {
        refreshing ??= hearChanges().finally(() => {
          refreshing = undefined;
        });
        await refreshing;
      }
    },

    async of(userIds) {
      const found = new Map<number, KnownName>();
      const missing: number[] = [];
      for (const userId of new Set(userIds)) {
        const known = kept.get(userId);
        if (known === undefined) missing.push(userId);
        else found.set(userId, known);
      }
      if (missing.length > 0) for (const [userId, known] of await load(missing)) found.set(userId, known);
      return found;
    },

    async bearersOf(wanted) {
      const found = new Map<string, number>();
      const missing = new Map<string, string>();
      for (const name of new Set(wanted)) {
        const bearer = bearers.get(name);
        if (bearer === undefined) missing.set(names.keyOf(name), name);
        else found.set(name, bearer.userId);
      }
      if (missing.size === 0) return found;
      const asOf = generation;
      const rows = await ask<{ name_key: string; user_id: number | null; unsure: boolean }>('bearers', [
        [...missing.keys()],
      ]);
      for (const { name_key: key, user_id: userId, unsure } of rows) {
        const name = missing.get(key);
        if (name === undefined || userId === null) continue;
        found.set(name, userId);
        // Somebody else may be called so in a moment.
        if (!unsure && asOf === generation) bearers.set(name, { userId, key });
      }
      return found;
    },

    async keep(users) {
      const wanted = new Map<number, NamedUser>();
      for (const user of users) {
        const known = kept.get(user.userId);
        if (known !== undefined && (known.exists || !user.exists)) continue;
        const exists = user.exists || (wanted.get(user.userId)?.exists ?? false);
        wanted.set(user.userId, { ...user, exists });
      }
      if (wanted.size === 0) return { reused: false };
      const rows = [...wanted.values()].map(({ userId, name, exists }) => {
        const key = randomBytes(32);
        return {
          ...{
            userId,
            exists,
            nameKey: names.keyOf(name),
            sealedName: sealWith(key, name, nameContext(userId)),
          },
          sealedKey: secrets.seal(key.toString('base64url'), keyContext(userId)),
        };
      });
      const userIds = rows.map(({ userId }) => userId);
      await ask('keep', [
        userIds,
        rows.map(({ nameKey }) => nameKey),
        rows.map(({ sealedKey }) => sealedKey),
        rows.map(({ sealedName }) => sealedName),
        rows.map(({ exists }) => exists),
      ]);
      generation += 1;
      for (const { userId, name } of wanted.values()) {
        kept.delete(userId);
        bearers.delete(name);
      }
      const isNew = rows.filter(({ exists }) => !exists);
      if (isNew.length === 0) return { reused: false };
      const [row] = await ask<{ reused: boolean }>('reused', [
        isNew.map(({ userId }) => userId),
        isNew.map(({ nameKey }) => nameKey),
      ]);
      return { reused: row?.reused ?? false };
    },

    async confirm(userIds) {
      await ask('confirm', [userIds]);
      generation += 1;
      // Nobody keeps who bears a name that somebody is about to bear.
      for (const userId of userIds) kept.delete(userId);
    },

    async drop(userIds) {
      await ask('drop', [userIds]);
      for (const userId of userIds) kept.delete(userId);
    },

    async erase(userId) {
      await ask('erase', [userId]);
      generation += 1;
      kept.delete(userId);
      await hearChanges();
    },

    async tidy() {
      await ask('tidy', []);
    },

    keyOf(name) {
      const known = keys.get(name);
      if (known !== undefined) return known;
      const key = secrets.fingerprint(name, 'user-name');
      keys.set(name, key);
      return key;
    },

    seal: (name) => secrets.seal(name, 'name-of-nobody'),
    open: (sealed) => secrets.open(sealed, 'name-of-nobody'),
    hasErased: () => erased.size > 0,
    erasedBearerOf: (key) => erased.get(key),
  };
  return names;
}

const keyContext = (userId: number): string => `user-name-key/${userId}`;
const nameContext = (userId: number): string => `user-name/${userId}`;
