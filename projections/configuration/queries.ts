import type { Kysely } from 'kysely';
import type { Value } from '../../domain/configuration/kinds.ts';
import type { ConfigurationDatabase } from './projection.ts';

/** What was set, by the name of the item. */
export interface SetItems {
  readonly items: Readonly<Record<string, Value>>;
  /** Encrypted. */
  readonly sealed: Readonly<Record<string, string>>;
}

export async function readConfiguration(db: Kysely<ConfigurationDatabase>): Promise<SetItems> {
  const rows = await db.selectFrom('items').selectAll().execute();
  const entries = (sealed: boolean) => rows.filter((row) => row.sealed === sealed);
  return {
    items: Object.fromEntries(entries(false).map(({ name, value }) => [name, value])),
    sealed: Object.fromEntries(entries(true).map(({ name, value }) => [name, String(value)])),
  };
}
