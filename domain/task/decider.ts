import type { Decider } from '../decider.ts';
import type { TaskEvent } from './events.ts';

/** How a task can end. */
export type TaskOutcome = 'Success' | 'Error' | 'Stopped';

interface Which {
  readonly taskId: number;
  readonly executionId: number;
}

export type TaskCommand = Which &
  (
    | { readonly do: 'start' | 'stop' }
    /** @param attempt the one that failed; another worker may be at the next one by now. */
    | { readonly do: 'fail'; readonly attempt: number; readonly message: string }
    | {
        readonly do: 'finish';
        readonly status: TaskOutcome;
        readonly result: Readonly<Record<string, unknown>>;
        readonly message: string;
      }
  );

export interface Task {
  /** How often it was begun. */
  readonly attempts: number;
  /** Whether a worker is at it, or was when that died. */
  readonly running: boolean;
  readonly stopRequested: boolean;
  readonly finished: boolean;
}

/**
 * A task is begun as often as need be, and ends once. Nothing here says that it was asked for: its execution does. The last
 * event says all that counts, so that no more is read of a task that an outage makes begin again and again.
 */
export const taskDecider: Decider<Task, TaskCommand, TaskEvent> = {
  initial: { attempts: 0, running: false, stopRequested: false, finished: false },

  decide({ attempts, running, stopRequested, finished }, { taskId, executionId, ...command }) {
    if (finished) return [];
    const which = { taskId, executionId };
    switch (command.do) {
      case 'start':
        return stopRequested ? [] : [{ type: 'TaskStarted', data: { ...which, attempt: attempts + 1 } }];
      case 'fail': {
        const { attempt, message } = command;
        if (!running) return [];
        // There is no next attempt.
        if (stopRequested) return [ended(which, 'Stopped', {}, message)];
        if (attempt !== attempts) return [];
        return [{ type: 'TaskAttemptFailed', data: { ...which, attempt, message } }];
      }
      case 'stop':
        if (!running) return [ended(which, 'Stopped', {}, 'stopped before it began')];
        return stopRequested ? [] : [{ type: 'TaskStopRequested', data: which }];
      case 'finish': {
        const { status, result, message } = command;
        return [ended(which, status, result, message)];
      }
    }
  },

  evolve(task, event) {
    switch (event.type) {
      case 'TaskStarted':
        return { ...task, attempts: event.data.attempt, running: true };
      case 'TaskAttemptFailed':
        return { ...task, attempts: event.data.attempt, running: false };
      case 'TaskStopRequested':
        // Of a task that does not run it is not asked.
        return { ...task, running: true, stopRequested: true };
      case 'TaskFinished':
        return { ...task, running: false, finished: true };
    }
  },
};

const ended = (
  which: Which,
  status: TaskOutcome,
  result: Readonly<Record<string, unknown>>,
  message: string,
): TaskEvent => ({ type: 'TaskFinished', data: { ...which, status, result: { ...result }, message } });
