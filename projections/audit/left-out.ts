import { sql } from 'kysely';
import type { AuditSettingsEvent } from '../../domain/audit/events.ts';
import { typesIn } from '../../domain/audit/types.ts';
import type { ConfigurationEvent } from '../../domain/configuration/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ViewTables } from '../../infra/database/projection.ts';

/** What each setting leaves out, by its value. */
const leftOut: Readonly<Record<string, (value: unknown) => readonly string[]>> = {
  disabled_audit_log_event_types: (value) => (typeof value === 'string' ? typesIn(value) : []),
  pull_audit_log_disable: (value) => (value === true ? ['pull_artifact'] : []),
  skip_audit_log_database: (value) => (value === true ? ['*'] : []),
};

export async function applySettings(
  tables: ViewTables,
  events: readonly RecordedEvent<ConfigurationEvent>[],
): Promise<void> {
  for (const { data } of events) {
    const changed = Object.keys(leftOut).filter((setting) => Object.hasOwn(data.items, setting));
    await tables.remove(
      'disabled',
      ['setting', 'is_pinned'],
      changed.map((setting) => ({ setting, is_pinned: false })),
    );
    await tables.write('disabled', disabledKey, disabledBy(data.items, false));
  }
}

const disabledKey = ['setting', 'is_pinned', 'type'];
const disabledBy = (settings: Readonly<Record<string, unknown>>, is_pinned: boolean) =>
  Object.entries(settings).flatMap(([setting, value]) =>
    (leftOut[setting]?.(value) ?? []).map((type) => ({ setting, is_pinned, type })),
  );

/** The last says all. */
export async function applyPins(
  tables: ViewTables,
  events: readonly RecordedEvent<AuditSettingsEvent>[],
): Promise<void> {
  const items = events.at(-1)?.data.items ?? {};
  await tables.remove('disabled', ['is_pinned'], [{ is_pinned: true }]);
  await tables.run((own) => sql`DELETE FROM ${own.table('pinned')}`);
  await tables.write(
    'pinned',
    ['setting'],
    Object.keys(items).map((setting) => ({ setting })),
  );
  await tables.write('disabled', disabledKey, disabledBy(items, true));
}
