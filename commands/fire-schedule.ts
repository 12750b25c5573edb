import type { Metadata } from '../domain/event.ts';
import { executionDecider } from '../domain/execution/decider.ts';
import { executionStream } from '../domain/execution/events.ts';
import { type JobKind, jobKinds } from '../domain/execution/kinds.ts';
import { scheduleDecider } from '../domain/schedule/decider.ts';
import { type ScheduleEvent, scheduleStream } from '../domain/schedule/events.ts';
import { decision } from './record.ts';
import type { ExecutionPorts } from './start-execution.ts';

export interface FireSchedule {
  readonly scheduleId: number;
  readonly kind: JobKind;
  readonly vendorId: number;
  /** By which it was found to be due. */
  readonly cron: string;
  readonly dueAt: Date;
  /** The execution that it has started before and that still runs, if one does. */
  readonly running: number | undefined;
}

type Fired = Extract<ScheduleEvent, { type: 'ScheduleFired' }>;

/**
 * Starts what a schedule is due for, or records that it was skipped; of two that do so for the same time one does.
 * Resolves to what happened.
 */
export const fireSchedule =
  (ports: ExecutionPorts) =>
  async ({ dueAt, ...due }: FireSchedule, metadata: Metadata): Promise<'fired' | 'skipped' | 'nothing'> => {
    const isSkipped = due.running !== undefined;
    const [executionId = 1] = isSkipped ? [] : await ports.allocateIds('execution', 1, metadata);
    const [taskId = 1] = isSkipped ? [] : await ports.allocateIds('task', 1, metadata);
    const jobId = ports.newJobId();
    const command = { do: 'fire', ...due, dueAt: dueAt.toISOString(), executionId, taskId, jobId } as const;
    const stream = scheduleStream(due.kind, due.vendorId);
    const { events } = await ports.record(metadata, decision(stream, scheduleDecider, command, 'last'));
    const [event] = events[0];
    if (event === undefined) return 'nothing';
    if (event.type !== 'ScheduleFired') return 'skipped';
    await startFired(ports)(event.data, metadata);
    return 'fired';
  };

/**
 * Starts the execution that a schedule has fired for, unless it was started: who fires a schedule may die before it has
 * done that, whereupon a reactor does.
 */
export const startFired =
  ({ record }: Pick<ExecutionPorts, 'record'>) =>
  async (fired: Fired['data'], metadata: Metadata): Promise<void> => {
    const { executionId, kind, vendorId, parameters, taskId, jobId } = fired;
    if (!isKind(kind)) return;
    const tasks = [{ taskId, jobId, key: '0', parameters }];
    const which = { executionId, kind, vendorId };
    const command = { do: 'start', ...which, trigger: 'SCHEDULE', parameters, tasks } as const;
    await record(metadata, decision(executionStream(executionId), executionDecider, command));
  };

const isKind = (kind: string): kind is JobKind => jobKinds.some((known) => known === kind);
