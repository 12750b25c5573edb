import { z } from 'zod';
import type { removeSchedule } from '../../commands/remove-schedule.ts';
import type { setSchedule } from '../../commands/set-schedule.ts';
import type { startExecution } from '../../commands/start-execution.ts';
import type { stopExecution } from '../../commands/stop-execution.ts';
import type { Metadata } from '../../domain/event.ts';
import { type JobKind, noVendor } from '../../domain/execution/kinds.ts';
import type { FirstTask, firstTasks } from '../../projections/executions/first-tasks.ts';
import type { Execution, execution, executions } from '../../projections/executions/queries.ts';
import type { Listing, Page } from '../../projections/listing.ts';
import type { Schedule, scheduleOf } from '../../projections/schedules/queries.ts';
import { type Created, type Shown, time } from './answer-forms.ts';
import { cronTypes, nextScheduledTime, readCron } from './cron-form.ts';
import { badRequest, notFound } from './faults.ts';
import type { Command, Query } from './ports.ts';

/*
 * Work for the whole system that is done in one go, by hand or by a schedule of which there is one: the collection of
 * garbage and the purge of the audit log have the same operations with Harbor.
 */

export interface SystemJobPorts {
  readonly execution: Query<typeof execution>;
  readonly executions: Query<typeof executions>;
  readonly firstTasks: Query<typeof firstTasks>;
  readonly scheduleOf: Query<typeof scheduleOf>;
  readonly startExecution: Command<typeof startExecution>;
  readonly stopExecution: Command<typeof stopExecution>;
  readonly setSchedule: Command<typeof setSchedule>;
  readonly removeSchedule: Command<typeof removeSchedule>;
  /** All that the task has said, a line each. */
  logOf(taskId: number): Promise<string>;
  now(): Date;
  /** Resolves when executions and schedules are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
}

const scheduleObject = z
  .object({ type: z.string(), cron: z.string().optional(), next_scheduled_time: time.optional() })
  .meta({ id: 'ScheduleObj' });

/** Harbor's `GCHistory` and `ExecHistory`, which are the same. */
export const historyAnswer = (id: 'GCHistory' | 'ExecHistory') =>
  z
    .object({
      id: z.int(),
      job_name: z.string().optional().describe('The kind of work; none, of a schedule'),
      job_kind: z.string().describe('MANUAL or SCHEDULE; of a schedule, its cron'),
      job_parameters: z.string().describe('JSON: what was asked for, and what was done'),
      schedule: scheduleObject,
      job_status: z
        .enum(['Pending', 'Running', 'Success', 'Error', 'Stopped'])
        .optional()
        .describe('None, of a schedule'),
      deleted: z.boolean(),
      creation_time: time,
      update_time: time,
    })
    .meta({ id });
export type History = Shown<z.output<ReturnType<typeof historyAnswer>>>;

const types = ['Hourly', 'Daily', 'Weekly', 'Custom', 'Manual', 'None', 'Schedule', ''] as const;

/** Harbor's `Schedule`, as it is sent. */
export const scheduleForm = z.object({
  schedule: z
    .object({
      type: z
        .enum(types)
        .nullish()
        .describe('Manual begins at once, None ends the schedule; none changes nothing'),
      cron: z.string().nullish().describe('Six fields, of which the first is 0, in UTC'),
    })
    .nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
});
export type ScheduleForm = z.output<typeof scheduleForm>;

/** What was asked for, by the names and with the values that `schema` knows. @throws RequestRefused 400 */
export function readParameters<Parameters>(
  schema: z.ZodType<Parameters>,
  given: ScheduleForm['parameters'],
): Parameters {
  // Null is as good as nothing, as everywhere in what clients send.
  const written = Object.entries(given ?? {}).filter(([, value]) => value !== null);
  const parsed = schema.safeParse(Object.fromEntries(written));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badRequest(`parameters.${issue?.path.join('.')}: ${issue?.message}`);
}

export const startedJob = z
  .object({
    id: z.int().describe('The number of the execution'),
    job_id: z.string().describe('What the job is known by'),
  })
  .meta({ id: 'StartedJob' });

/** Begins work in one task. @param locate where it can be followed; without it, at its number below what was asked. */
export async function startManually(
  ports: Pick<SystemJobPorts, 'startExecution' | 'reached' | 'firstTasks'>,
  kind: JobKind,
  parameters: Readonly<Record<string, unknown>>,
  metadata: Metadata,
  locate?: (jobId: string) => string,
): Promise<Created & { readonly body: z.output<typeof startedJob> }> {
  const tasks = [{ parameters }];
  const start = { kind, vendorId: noVendor, trigger: 'MANUAL', parameters, tasks } as const;
  const { executionId, position } = await ports.startExecution(start, metadata);
  await ports.reached(position);
  const jobId = (await ports.firstTasks([executionId])).get(executionId)?.jobId ?? '';
  const location = locate && { location: locate(jobId) };
  return { id: executionId, ...location, body: { id: executionId, job_id: jobId } };
}

export function systemJob(kind: JobKind, ports: SystemJobPorts) {
  /** @throws RequestRefused 404, for one of another kind too */
  async function find(executionId: number): Promise<Execution> {
    const found = await ports.execution(executionId);
    if (found?.kind !== kind) throw notFound(`${kind} execution ${executionId} not found`);
    return found;
  }

  /** @throws RequestRefused 404 */
  async function findWithTask(executionId: number) {
    const found = await find(executionId);
    const task = (await ports.firstTasks([executionId])).get(executionId);
    if (task === undefined) throw notFound(`${kind} execution ${executionId} not found`);
    return { execution: found, task };
  }

  return {
    findWithTask,

    async list(listing: Listing): Promise<Page<History>> {
      const { rows, total } = await ports.executions({ kind }, listing);
      const tasks = await ports.firstTasks(rows.map(({ executionId }) => executionId));
      return { rows: rows.map((each) => shownExecution(each, tasks.get(each.executionId))), total };
    },

    async show(executionId: number): Promise<History> {
      const { execution: found, task } = await findWithTask(executionId);
      return shownExecution(found, task);
    },

    async log(executionId: number): Promise<string> {
      const { task } = await findWithTask(executionId);
      return ports.logOf(task.taskId);
    },

    async stop(executionId: number, metadata: Metadata): Promise<void> {
      await find(executionId);
      await ports.reached(await ports.stopExecution(executionId, metadata));
    },

    async schedule(): Promise<History | undefined> {
      const schedule = await ports.scheduleOf(kind, noVendor);
      return schedule && shownSchedule(schedule, ports.now());
    },

    /** Resolves to the number of the execution that has begun, 0 where none has. @throws RequestRefused 400 */
    async change(
      { schedule }: ScheduleForm,
      parameters: Readonly<Record<string, unknown>>,
      metadata: Metadata,
    ): Promise<number> {
      const { type, cron } = schedule ?? {};
      if (type === 'Manual') {
        return (await startManually(ports, kind, parameters, metadata)).body.id;
      }
      if (type === 'None') await ports.reached(await ports.removeSchedule(kind, noVendor, metadata));
      if (type && cronTypes.has(type)) {
        const settings = { kind, vendorId: noVendor, type, cron: readCron(cron ?? ''), parameters };
        await ports.reached(await ports.setSchedule(settings, metadata));
      }
      return 0;
    },
  };
}

function shownExecution(of: Execution, task: FirstTask | undefined): History {
  const isManual = of.trigger === 'MANUAL';
  return {
    id: of.executionId,
    job_name: of.kind,
    job_kind: of.trigger,
    job_parameters: JSON.stringify({ ...of.parameters, ...task?.result }),
    schedule: { type: isManual ? 'Manual' : 'Schedule' },
    // Between two attempts it waits.
    job_status: of.status === 'Scheduled' ? 'Pending' : of.status,
    deleted: false,
    creation_time: of.startedAt,
    update_time: of.updatedAt,
  };
}

function shownSchedule(schedule: Schedule, now: Date): History {
  const { scheduleId, type, cron, parameters, updatedAt } = schedule;
  const next = nextScheduledTime(schedule, now);
  return {
    id: scheduleId,
    job_kind: cron,
    job_parameters: JSON.stringify(parameters),
    schedule: { type, cron, ...(next !== undefined && { next_scheduled_time: next }) },
    deleted: false,
    creation_time: updatedAt,
    update_time: updatedAt,
  };
}
