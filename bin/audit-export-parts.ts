import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { AllocateIds } from '../commands/allocate-id.ts';
import type { Recorder } from '../commands/record.ts';
import { startExecution } from '../commands/start-execution.ts';
import type { AuditExportPorts } from '../gateway/api/audit-exports.ts';
import { postgresExports } from '../infra/audit-exports/postgres.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { type AuditDatabase, audit } from '../projections/audit/projection.ts';
import { searchAudit } from '../projections/audit/search.ts';
import { type ExecutionsDatabase, executions } from '../projections/executions/projection.ts';
import { statusesOf } from '../projections/executions/queries.ts';
import { exportAuditLogJob } from '../workers/export-audit-log-job.ts';
import type { AnyJobHandler } from '../workers/job.ts';
import { currentIn } from './contents.ts';
import { version } from './version.ts';

/** For how long the file of an export can be downloaded. Milliseconds. */
export const exportLifeMs = ({ audit_exports }: Pick<Configuration, 'audit_exports'>): number =>
  audit_exports.expire_hours * 3_600_000;

/** What the management API asks of exports of the audit log. */
export const auditExportParts = (
  { record, allocateIds }: { readonly record: Recorder; readonly allocateIds: AllocateIds },
  { database, views }: { readonly database: Pick<Database, 'pool' | 'kysely'>; readonly views: Views },
  lifeMs: number,
): AuditExportPorts => ({
  exports: postgresExports(database),
  exportLifeMs: lifeMs,
  startExecution: startExecution({ record, allocateIds, newJobId: randomUUID }),
  statusesOf: currentIn(views)(
    statusesOf.bind(undefined, viewOf<ExecutionsDatabase>(database.kysely, executions)),
  ),
  reached: (position) => views.reached(position, [executions]),
});

/** Who writes them. */
export const auditExportJob = ({
  configuration,
  log,
  database,
  views,
}: {
  readonly configuration: Configuration;
  readonly log: Pick<EventLog, 'head'>;
  readonly database: Database;
  readonly views: Views;
}): AnyJobHandler =>
  exportAuditLogJob({
    exports: postgresExports(database),
    search: currentIn(views)(searchAudit.bind(undefined, viewOf<AuditDatabase>(database.kysely, audit))),
    auditIsCurrent: async () => views.reached(await log.head(), [audit]),
    writer: { host: hostOf(configuration), version },
  });

/** Forgets those that have expired. */
export const sweepExports =
  ({ configuration, database }: { readonly configuration: Configuration; readonly database: Database }) =>
  (): Promise<number> =>
    postgresExports(database).sweep(new Date(Date.now() - exportLifeMs(configuration)));

const hostOf = ({ external_url }: Configuration): string =>
  external_url === undefined ? hostname() : new URL(external_url).hostname;
