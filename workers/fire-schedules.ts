import { type FireSchedule, fireSchedule } from '../commands/fire-schedule.ts';
import type { ExecutionPorts } from '../commands/start-execution.ts';
import { dueTime, parseCron } from '../domain/schedule/cron.ts';
import type { Execution } from '../projections/executions/queries.ts';
import type { Schedule } from '../projections/schedules/queries.ts';
import { pause } from './pause.ts';

/** How often it is looked what is due, in milliseconds. */
const tickMs = 1000;
/** How often the schedules are read again; what is set is due in a minute at the earliest. */
const readEveryMs = 10_000;
const pageSize = 1000;
const aheadMs = 24 * 60 * 60_000;

export interface FireSchedulesPorts extends ExecutionPorts {
  allSchedules(page: { readonly after: number; readonly limit: number }): Promise<readonly Schedule[]>;
  findExecution(executionId: number): Promise<Execution | undefined>;
  pausedKinds(): Promise<ReadonlySet<string>>;
  now(): Date;
  /** A schedule has fired by a clock that was more than a day ahead, and is not due until then; told once. */
  onAhead(schedule: Schedule): void;
  /** A schedule could not be fired; it is tried again. */
  onOutage(error: unknown): void;
}

/**
 * Starts what the clock says, until `signal` aborts. Of the times that were missed while nobody was at work, or that a
 * clock has jumped over, the last one counts. Any number of processes may do this at once.
 */
export const fireSchedules =
  (ports: FireSchedulesPorts) =>
  async (signal: AbortSignal): Promise<void> => {
    let schedules: readonly Schedule[] = [];
    let told: ReadonlySet<number> = new Set();
    let readAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        await fireDue();
      } catch (error) {
        ports.onOutage(error);
        readAt = Number.NEGATIVE_INFINITY;
      }
      await pause(tickMs, signal);
    }

    async function fireDue(): Promise<void> {
      if (performance.now() - readAt > readEveryMs) {
        schedules = await readAll();
        readAt = performance.now();
        tellAhead();
      }
      const due = schedules.filter((schedule) => dueAt(schedule) !== undefined);
      if (due.length === 0) return;
      if ((await ports.pausedKinds()).has('SCHEDULER')) return;
      // By now it may have another cron, or be done by another process.
      schedules = await readAll();
      for (const schedule of schedules) await fire(schedule);
      readAt = Number.NEGATIVE_INFINITY;
    }

    function tellAhead(): void {
      const isAhead = ({ doneUpTo }: Schedule) => doneUpTo.getTime() - ports.now().getTime() > aheadMs;
      const ahead = schedules.filter(isAhead);
      for (const schedule of ahead) if (!told.has(schedule.scheduleId)) ports.onAhead(schedule);
      told = new Set(ahead.map(({ scheduleId }) => scheduleId));
    }

    async function fire(schedule: Schedule): Promise<void> {
      const time = dueAt(schedule);
      if (time === undefined || signal.aborted) return;
      const { scheduleId, kind, vendorId, cron, executionId } = schedule;
      const last = executionId === undefined ? undefined : await ports.findExecution(executionId);
      const running = last !== undefined && last.endedAt === undefined ? last.executionId : undefined;
      const fired: FireSchedule = { scheduleId, kind, vendorId, cron, dueAt: time, running };
      await fireSchedule(ports)(fired, { actor: 'system', correlationId: `schedule/${scheduleId}` });
    }

    function dueAt({ cron, doneUpTo }: Schedule): Date | undefined {
      const parsed = parseCron(cron);
      return parsed && dueTime(parsed, doneUpTo, ports.now());
    }

    async function readAll(): Promise<readonly Schedule[]> {
      const all: Schedule[] = [];
      for (let after = 0; ; ) {
        const page = await ports.allSchedules({ after, limit: pageSize });
        all.push(...page);
        const last = page.at(-1);
        if (last === undefined || page.length < pageSize) return all;
        after = last.scheduleId;
      }
    }
  };
