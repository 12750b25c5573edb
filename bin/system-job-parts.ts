import { randomUUID } from 'node:crypto';
import { type AllocateId, idsAllocator } from '../commands/allocate-id.ts';
import type { Recorder } from '../commands/record.ts';
import { removeSchedule } from '../commands/remove-schedule.ts';
import { setSchedule } from '../commands/set-schedule.ts';
import { startExecution } from '../commands/start-execution.ts';
import { stopExecution } from '../commands/stop-execution.ts';
import { catalogue } from '../domain/catalogue.ts';
import type { GarbageWhatIfPorts } from '../gateway/api/garbage-what-if.ts';
import { taskLog } from '../gateway/api/task-log.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { JobJournal } from '../infra/job-journal/port.ts';
import { postgresResults } from '../infra/job-results/postgres.ts';
import type { Views } from '../infra/views/port.ts';
import { firstTasks } from '../projections/executions/first-tasks.ts';
import {
  type ExecutionsDatabase,
  executions as executionsView,
} from '../projections/executions/projection.ts';
import { execution, executions } from '../projections/executions/queries.ts';
import { type SchedulesDatabase, schedules } from '../projections/schedules/projection.ts';
import { scheduleOf } from '../projections/schedules/queries.ts';
import type { Current } from './api-parts.ts';

interface Engines {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly allocateId: AllocateId;
  readonly database: Pick<Database, 'kysely' | 'pool'>;
  readonly views: Views;
  readonly journal: JobJournal;
}

/** What the management API asks of the work that is done for the whole system. */
export function systemJobParts(
  { log, record, allocateId, database, views, journal }: Engines,
  current: Current,
): GarbageWhatIfPorts {
  const inExecutions = viewOf<ExecutionsDatabase>(database.kysely, executionsView);
  const inSchedules = viewOf<SchedulesDatabase>(database.kysely, schedules);
  const allocateIds = idsAllocator({ log, catalogue, newEventId });
  const now = () => new Date();
  return {
    execution: current(execution.bind(undefined, inExecutions)),
    executions: current(executions.bind(undefined, inExecutions)),
    firstTasks: current(firstTasks.bind(undefined, inExecutions)),
    scheduleOf: current(scheduleOf.bind(undefined, inSchedules)),
    startExecution: startExecution({ record, allocateIds, newJobId: randomUUID }),
    stopExecution: stopExecution({ record }),
    setSchedule: setSchedule({ record, allocateId, now }),
    removeSchedule: removeSchedule({ record }),
    logOf: taskLog.bind(undefined, journal),
    results: postgresResults(database),
    now,
    reached: (position) => views.reached(position, [executionsView, schedules]),
  };
}
