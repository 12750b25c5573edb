import { z } from 'zod';
import type { Execution, Task } from '../../projections/executions/queries.ts';

/** A time as Harbor has it where its document says text: to the second. */
const seconds = z.string().describe('RFC 3339');
const counts = z.int();

/** Harbor's `Execution`. */
export const executionAnswer = z
  .object({
    id: z.int(),
    vendor_type: z.string(),
    vendor_id: z.int(),
    status: z.string(),
    status_message: z.string(),
    metrics: z
      .object({
        task_count: counts,
        success_task_count: counts,
        error_task_count: counts,
        pending_task_count: counts,
        running_task_count: counts,
        scheduled_task_count: counts,
        stopped_task_count: counts,
      })
      .meta({ id: 'Metrics' }),
    trigger: z.string(),
    extra_attrs: z.record(z.string(), z.unknown()),
    start_time: seconds,
    end_time: seconds,
  })
  .meta({ id: 'Execution' });

/** @param attributes what is told of its parameters */
export function shownExecution(
  { executionId, kind, vendorId, status, tasks, trigger, startedAt, endedAt }: Execution,
  attributes: Readonly<Record<string, unknown>>,
) {
  const { success, error, pending, running, scheduled, stopped } = tasks;
  return {
    id: executionId,
    vendor_type: kind,
    vendor_id: vendorId,
    status,
    status_message: '',
    metrics: {
      task_count: success + error + pending + running + scheduled + stopped,
      success_task_count: success,
      error_task_count: error,
      pending_task_count: pending,
      running_task_count: running,
      scheduled_task_count: scheduled,
      stopped_task_count: stopped,
    },
    trigger,
    extra_attrs: attributes,
    start_time: toSeconds(startedAt),
    end_time: toSeconds(endedAt),
  };
}

/** Harbor's `Task`. */
export const taskAnswer = z
  .object({
    id: z.int(),
    execution_id: z.int(),
    status: z.string(),
    status_message: z.string(),
    run_count: z.int(),
    extra_attrs: z.record(z.string(), z.unknown()),
    creation_time: seconds,
    update_time: seconds,
    start_time: seconds,
    end_time: seconds,
  })
  .meta({ id: 'Task' });

export const shownTask = (task: Task) => ({
  id: task.taskId,
  execution_id: task.executionId,
  status: task.status,
  status_message: task.message,
  run_count: task.attempts,
  // Its parameters are for its handler.
  extra_attrs: {},
  creation_time: toSeconds(task.createdAt),
  update_time: toSeconds(task.updatedAt),
  start_time: toSeconds(task.startedAt),
  end_time: toSeconds(task.endedAt),
});

/** Of what has not happened, the time that Harbor has for it. */
const toSeconds = (at: Date | undefined): string =>
  at === undefined ? '0001-01-01T00:00:00Z' : at.toISOString().replace(/\.\d+Z$/, 'Z');
