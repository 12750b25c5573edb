import { sql } from 'kysely';
import type { ConfigurationEvent } from '../../domain/configuration/events.ts';
import type { Value } from '../../domain/configuration/kinds.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface ConfigurationDatabase {
  /** Those that somebody has set; the value of a secret is its sealed text. */
  items: { name: string; value: Value; sealed: boolean };
}

/** What the settings of the system are, as far as they were ever set. */
export const configuration: Projection<ConfigurationEvent> = {
  name: 'configuration',
  version: 1,
  handles: ['ConfigurationChanged'],

  create: (db) =>
    db.schema
      .createTable('items')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('value', 'jsonb', (column) => column.notNull())
      .addColumn('sealed', 'boolean', (column) => column.notNull())
      .execute(),

  apply: (tables, events) =>
    tables.write(
      'items',
      ['name'],
      events.flatMap(({ data: { items, sealed } }) => [
        ...Object.entries(items).map(([name, value]) => ({ name, value, sealed: false })),
        ...Object.entries(sealed).map(([name, value]) => ({ name, value, sealed: true })),
      ]),
    ),
};
