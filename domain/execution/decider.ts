import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { ExecutionEvent, RequestedTask } from './events.ts';
import type { JobKind } from './kinds.ts';

export type Trigger = 'MANUAL' | 'SCHEDULE' | 'EVENT';

export interface ExecutionStart {
  readonly executionId: number;
  readonly kind: JobKind;
  /** `noVendor` where there is none. */
  readonly vendorId: number;
  readonly trigger: Trigger;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export type ExecutionCommand =
  | ({ readonly do: 'start'; readonly tasks: readonly RequestedTask[] } & ExecutionStart)
  | { readonly do: 'add'; readonly executionId: number; readonly tasks: readonly RequestedTask[] }
  | { readonly do: 'stop'; readonly executionId: number };

export interface Execution {
  readonly kind: string;
  readonly vendorId: number;
  readonly stopRequested: boolean;
  /** The keys of its tasks. */
  readonly keys: ReadonlySet<string>;
}

/** Null before it starts. */
export const executionDecider: Decider<Execution | null, ExecutionCommand, ExecutionEvent> = {
  initial: null,

  decide(execution, command) {
    const { executionId } = command;
    if (command.do === 'start') {
      // Who was killed in between starts it again, under the number that it was given.
      if (execution !== null) return [];
      const { do: _, tasks, ...data } = command;
      return [{ type: 'ExecutionStarted', data }, ...requested(command, tasks)];
    }
    if (execution === null) throw new Refusal({ kind: 'execution-unknown', executionId });
    const { kind, vendorId, stopRequested, keys } = execution;
    const which = { executionId, kind, vendorId };
    // Each time that it is asked: what an earlier stop has left is gone on with.
    if (command.do === 'stop') return [{ type: 'ExecutionStopRequested', data: which }];
    if (stopRequested) return [];
    return requested(
      which,
      command.tasks.filter(({ key }) => !keys.has(key)),
    );
  },

  evolve(execution, event) {
    switch (event.type) {
      case 'ExecutionStarted': {
        const { kind, vendorId } = event.data;
        return { kind, vendorId, stopRequested: false, keys: new Set() };
      }
      case 'TasksRequested':
        return execution && { ...execution, keys: withKeys(execution.keys, event.data.tasks) };
      case 'ExecutionStopRequested':
        return execution && { ...execution, stopRequested: true };
    }
  },
};

const requested = (
  { executionId, kind, vendorId }: { executionId: number; kind: string; vendorId: number },
  tasks: readonly RequestedTask[],
): ExecutionEvent[] =>
  tasks.length === 0
    ? []
    : [{ type: 'TasksRequested', data: { executionId, kind, vendorId, tasks: [...tasks] } }];

const withKeys = (keys: ReadonlySet<string>, tasks: readonly RequestedTask[]): ReadonlySet<string> =>
  new Set([...keys, ...tasks.map(({ key }) => key)]);
