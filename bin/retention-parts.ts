import type { AllocateId } from '../commands/allocate-id.ts';
import { changeRetentionPolicy } from '../commands/change-retention-policy.ts';
import { createRetentionPolicy } from '../commands/create-retention-policy.ts';
import type { DeleteProject } from '../commands/delete-project.ts';
import { deleteRetentionPolicy } from '../commands/delete-retention-policy.ts';
import type { Recorder } from '../commands/record.ts';
import { type ExecutionPorts, startExecution } from '../commands/start-execution.ts';
import { stopExecution } from '../commands/stop-execution.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import type { RetentionWhatIfPorts } from '../gateway/api/retention-what-if.ts';
import type { RetentionPorts } from '../gateway/api/retentions.ts';
import { taskLog } from '../gateway/api/task-log.ts';
import type { Database } from '../infra/database/connect.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import { openPostgresJournal } from '../infra/job-journal/postgres.ts';
import { postgresResults } from '../infra/job-results/postgres.ts';
import type { Views } from '../infra/views/port.ts';
import {
  type ExecutionsDatabase,
  executions as executionsView,
} from '../projections/executions/projection.ts';
import { execution, executions, task, tasks } from '../projections/executions/queries.ts';
import { projects } from '../projections/projects/projection.ts';
import { type RetentionDatabase, retention } from '../projections/retention/projection.ts';
import { findRetentionPolicy, findRetentionPolicyOf } from '../projections/retention/queries.ts';
import { type SchedulesDatabase, schedules } from '../projections/schedules/projection.ts';
import { scheduleOf } from '../projections/schedules/queries.ts';
import type { Current } from './api-parts.ts';

interface Shown {
  readonly kysely: ViewDatabase;
  readonly views: Views;
  readonly current: Current;
}

/** What the management API asks of retention. */
export function retentionParts(
  ports: ExecutionPorts & { readonly allocateId: AllocateId },
  {
    database,
    views,
    current,
  }: Omit<Shown, 'kysely'> & { readonly database: Pick<Database, 'kysely' | 'pool' | 'listen'> },
): RetentionPorts & RetentionWhatIfPorts {
  const { kysely } = database;
  const inRetention = viewOf<RetentionDatabase>(kysely, retention);
  const inExecutions = viewOf<ExecutionsDatabase>(kysely, executionsView);
  const inSchedules = viewOf<SchedulesDatabase>(kysely, schedules);
  const changing = { ...ports, now: () => new Date() };
  return {
    findRetentionPolicy: current(findRetentionPolicy.bind(undefined, inRetention)),
    findRetentionPolicyOf: current(findRetentionPolicyOf.bind(undefined, inRetention)),
    scheduleOf: current(scheduleOf.bind(undefined, inSchedules)),
    createRetentionPolicy: createRetentionPolicy(changing),
    changeRetentionPolicy: changeRetentionPolicy(changing),
    deleteRetentionPolicy: deleteRetentionPolicy(ports),
    reached: (position) => views.reached(position, [retention, schedules, projects]),
    startExecution: startExecution(ports),
    stopExecution: stopExecution(ports),
    executions: current(executions.bind(undefined, inExecutions)),
    execution: current(execution.bind(undefined, inExecutions)),
    tasks: current(tasks.bind(undefined, inExecutions)),
    task: current(task.bind(undefined, inExecutions)),
    results: postgresResults(database),
    logOf: taskLog.bind(undefined, openPostgresJournal(database)),
    executionsReached: (position) => views.reached(position, [executionsView]),
  };
}

/**
 * Deletes a project with its policy. Who is killed in between leaves a schedule, which goes when it is due next and finds
 * no policy.
 */
export function deletingWithRetention(
  deleting: (project: DeleteProject, metadata: Metadata) => Promise<bigint>,
  record: Recorder,
  { kysely, current }: Omit<Shown, 'views'>,
): typeof deleting {
  const inRetention = viewOf<RetentionDatabase>(kysely, retention);
  const policyOf = current(findRetentionPolicyOf.bind(undefined, inRetention));
  const deletingPolicy = deleteRetentionPolicy({ record });
  return async (project, metadata) => {
    const policy = await policyOf(project.projectId);
    const position = await deleting(project, metadata);
    if (policy === undefined) return position;
    try {
      return await deletingPolicy(policy, metadata);
    } catch (error) {
      // Somebody has deleted it just before.
      if (error instanceof Refusal && error.reason.kind === 'retention-unknown') return position;
      throw error;
    }
  };
}
