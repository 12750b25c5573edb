import { sql } from 'kysely';
import type { AuditPurgeEvent } from '../../domain/audit/events.ts';
import type { ConfigurationEvent } from '../../domain/configuration/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { OwnTables, Projection, ViewTables } from '../../infra/database/projection.ts';
import { type AuditedEvent, auditedTypes } from './act.ts';
import { applyEntries } from './entries.ts';
import { applyPins, applySettings } from './left-out.ts';
import { emptyMonth, monthWithin } from './partitions.ts';
import { createTables } from './tables.ts';

export type { AuditDatabase } from './tables.ts';

type Event = AuditedEvent | AuditPurgeEvent;

/**
 * Who did what: one row for each event that tells of something that somebody did, or tried in vain. Of these Harbor's audit
 * log has one for each request that changed something, for each pull, login and logout, by Harbor's types; all others have
 * types of our own. Settings of what to leave out count from their event on, and a purge takes the rows of events before it;
 * the events themselves stay.
 */
export const audit: Projection<Event> = {
  name: 'audit',
  version: 4,
  showsUserNames: true,
  handles: [...auditedTypes, 'AuditLogPurged'],
  create: createTables,
  async apply(tables, events) {
    for (const { kind, run } of runsOf(events)) await applyRun[kind](tables, run as never);
  },
};

/** Each run has all before it behind it. */
const applyRun = {
  entries: applyEntries,
  async configurations(tables: ViewTables, run: readonly RecordedEvent<ConfigurationEvent>[]) {
    // The change of a setting is told as it was before.
    await applyEntries(tables, run);
    await applySettings(tables, run);
  },
  async pins(
    tables: ViewTables,
    run: readonly RecordedEvent<Extract<Event, { type: 'AuditSettingsPinned' }>>[],
  ) {
    await applyEntries(tables, run);
    await applyPins(tables, run);
  },
  purges: applyPurges,
} as const;

const runKinds: Readonly<Partial<Record<Event['type'], keyof typeof applyRun>>> = {
  AuditLogPurged: 'purges',
  AuditSettingsPinned: 'pins',
  ConfigurationChanged: 'configurations',
};

function runsOf(events: readonly RecordedEvent<Event>[]) {
  const runs: { readonly kind: keyof typeof applyRun; readonly run: RecordedEvent<Event>[] }[] = [];
  for (const event of events) {
    const kind = runKinds[event.type] ?? 'entries';
    const last = runs.at(-1);
    if (last?.kind === kind && (kind === 'entries' || kind === 'purges')) last.run.push(event);
    else runs.push({ kind, run: [event] });
  }
  return runs;
}

async function applyPurges(
  tables: ViewTables,
  events: readonly RecordedEvent<AuditPurgeEvent>[],
): Promise<void> {
  const ranges: object[] = [];
  for (const { data } of events) {
    const { type, others, from, until } = data;
    const operations = [type, ...others];
    const month = from === null ? undefined : monthWithin(new Date(from), new Date(until));
    if (month === undefined)
      ranges.push(...operations.map((type) => ({ type, low: from ?? '-infinity', high: until })));
    else await tables.run((own) => emptyMonth(own, month, operations));
  }
  if (ranges.length > 0) await tables.run((own) => deleteWithin(own, ranges));
}

const deleteWithin = (own: OwnTables, ranges: readonly object[]) => sql`
  DELETE FROM ${own.table('entries')} e
  USING ${own.rows(ranges, { type: 'text', low: 'timestamptz', high: 'timestamptz' })}
  WHERE e.type = given.type AND e.at >= given.low AND e.at < given.high`;
