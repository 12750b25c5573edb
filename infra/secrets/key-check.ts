import type { QueryResultRow } from 'pg';
import { SecretKeyUnusable } from './key-file.ts';
import { SealBroken, type SecretBox } from './port.ts';

/** A statement for tables of one's own; see `ownTables`. */
export const keyCheckTable =
  'CREATE TABLE IF NOT EXISTS secrets.key_check (only_row boolean PRIMARY KEY CHECK (only_row), sealed text NOT NULL)';

const checked = 'the secret key of this installation';

/** @throws SecretKeyUnusable when the tables were written under another secret key. */
export async function checkKey(
  ask: <Row extends QueryResultRow>(text: string, values: readonly unknown[]) => Promise<{ rows: Row[] }>,
  secrets: SecretBox,
): Promise<void> {
  await ask('INSERT INTO secrets.key_check VALUES (true, $1) ON CONFLICT DO NOTHING', [
    secrets.seal(checked, 'key-check'),
  ]);
  const { rows } = await ask<{ sealed: string }>('SELECT sealed FROM secrets.key_check', []);
  try {
    secrets.open(rows[0]?.sealed ?? '', 'key-check');
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw new SecretKeyUnusable(
      'the secret key is not the one that this database was written with; set secret_key to that one, or put the file secret-key back',
    );
  }
}
