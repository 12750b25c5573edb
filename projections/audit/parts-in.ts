import { type Kysely, sql } from 'kysely';
import { schemaOf } from '../../infra/database/projection.ts';
import { type Part, partitionName } from './partitions.ts';
import { audit } from './projection.ts';
import type { AuditDatabase } from './tables.ts';

/** Where there are entries, the oldest first. */
export async function partsIn(db: Kysely<AuditDatabase>): Promise<readonly Part[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = ${`${schemaOf(audit)}.entries`}::regclass`.execute(db);
  const prefix = partitionName('');
  const parts = new Set(rows.map(({ name }) => name.slice(prefix.length)));
  const months = [...parts].filter((part) => part !== 'early' && part !== 'late').sort();
  return [...(parts.has('early') ? ['early'] : []), ...months, ...(parts.has('late') ? ['late'] : [])];
}
