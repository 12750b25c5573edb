import type { AllocateId } from '../commands/allocate-id.ts';
import type { ExecutionPorts } from '../commands/start-execution.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { JobJournal } from '../infra/job-journal/port.ts';
import type { JobResults } from '../infra/job-results/port.ts';
import type { Views } from '../infra/views/port.ts';
import { type ExecutionsDatabase, executions } from '../projections/executions/projection.ts';
import { sweepableExecutions, taskIdsOf } from '../projections/executions/queries.ts';
import type { GarbageRun } from '../workers/collect-garbage.ts';
import type { AnyJobHandler } from '../workers/job.ts';
import { sweepExecutions } from '../workers/sweep-executions.ts';
import { auditExportJob, sweepExports } from './audit-export-parts.ts';
import { currentIn } from './contents.ts';
import { maintenanceJobs } from './maintenance-jobs.ts';
import { retentionHandlers } from './retention-handlers.ts';
import { redeliveryHandler } from './webhook-ledger-parts.ts';

/** What handlers are made with. */
export interface HandlerEngines {
  readonly configuration: Configuration;
  readonly log: EventLog;
  /** `record`, and the numbers that an execution needs: also what `addTasks` asks for. */
  readonly ports: ExecutionPorts & { readonly allocateId: AllocateId };
  readonly store: BlobStore;
  readonly database: Database;
  readonly views: Views;
  readonly journal: JobJournal;
  /** On connections of the workers: what is kept there can be long. */
  readonly results: JobResults;
}

/** Who does the jobs, one line a kind. @param onGarbageRun is told of every collection of this process. */
export function jobHandlers(
  engines: HandlerEngines,
  onGarbageRun?: (run: GarbageRun) => void,
): readonly AnyJobHandler[] {
  const { ports, database, views, journal, results } = engines;
  const current = currentIn(views);
  const inExecutions = viewOf<ExecutionsDatabase>(database.kysely, executions);
  return [
    ...maintenanceJobs(engines, onGarbageRun),
    auditExportJob(engines),
    sweepExecutions({
      record: ports.record,
      journal,
      results,
      sweepExports: sweepExports(engines),
      sweepable: current(sweepableExecutions.bind(undefined, inExecutions)),
      taskIdsOf: current(taskIdsOf.bind(undefined, inExecutions)),
      reached: (position) => views.reached(position, [executions]),
    }),
    ...retentionHandlers(engines),
    redeliveryHandler(engines),
  ];
}
