import assert from 'node:assert/strict';
import { test } from 'node:test';
import { executionDecider } from '../../domain/execution/decider.ts';
import type { ExecutionEvent, RequestedTask } from '../../domain/execution/events.ts';
import { type Task, taskDecider } from '../../domain/task/decider.ts';
import type { TaskEvent } from '../../domain/task/events.ts';
import { given } from '../given.ts';

const which = { executionId: 17, kind: 'RETENTION', vendorId: 3 } as const;
const start = { ...which, trigger: 'MANUAL', parameters: { dry_run: true } } as const;
const task = (taskId: number, key: string): RequestedTask => ({
  taskId,
  jobId: `job-${taskId}`,
  key,
  parameters: {},
});
const started: ExecutionEvent = { type: 'ExecutionStarted', data: start };
const requested = (...tasks: RequestedTask[]): ExecutionEvent => ({
  type: 'TasksRequested',
  data: { ...which, tasks },
});
const stopRequested: ExecutionEvent = { type: 'ExecutionStopRequested', data: which };

test('an execution starts with its first tasks, and once', () => {
  const command = { do: 'start', ...start, tasks: [task(1, 'a')] } as const;
  given(executionDecider)
    .when(command)
    .then(started, requested(task(1, 'a')));
  given(executionDecider, started, requested(task(1, 'a')))
    .when({ ...command, tasks: [task(2, 'a')] })
    .then();
});

test('tasks are added that it does not have yet, and none when it is to stop', () => {
  const command = { do: 'add', executionId: 17, tasks: [task(3, 'a'), task(4, 'b')] } as const;
  given(executionDecider, started, requested(task(1, 'a')))
    .when(command)
    .then(requested(task(4, 'b')));
  given(executionDecider, started, requested(task(1, 'a'), task(2, 'b')))
    .when(command)
    .then();
  given(executionDecider, started, stopRequested).when(command).then();
});

test('an execution is asked to stop as often as somebody asks, where there is one', () => {
  const command = { do: 'stop', executionId: 17 } as const;
  given(executionDecider, started).when(command).then(stopRequested);
  given(executionDecider, started, stopRequested).when(command).then(stopRequested);
  given(executionDecider).when(command).thenRefused({ kind: 'execution-unknown', executionId: 17 });
});

const of = { taskId: 41, executionId: 17 };
const begun = (attempt: number): TaskEvent => ({ type: 'TaskStarted', data: { ...of, attempt } });
const failed = (attempt: number): TaskEvent => ({
  type: 'TaskAttemptFailed',
  data: { ...of, attempt, message: 'away' },
});
const toStop: TaskEvent = { type: 'TaskStopRequested', data: of };
const finished = (status: 'Success' | 'Error' | 'Stopped', message = ''): TaskEvent => ({
  type: 'TaskFinished',
  data: { ...of, status, result: {}, message },
});
const finish = { do: 'finish', ...of, status: 'Success', result: {}, message: '' } as const;

test('a task is begun again after a failure, and when its worker was lost', () => {
  given(taskDecider)
    .when({ do: 'start', ...of })
    .then(begun(1));
  given(taskDecider, begun(1), failed(1))
    .when({ do: 'start', ...of })
    .then(begun(2));
  given(taskDecider, begun(1))
    .when({ do: 'start', ...of })
    .then(begun(2));
});

test('a task ends once, whoever says so', () => {
  given(taskDecider, begun(1)).when(finish).then(finished('Success'));
  for (const command of [
    finish,
    { ...finish, status: 'Error' } as const,
    { do: 'start', ...of } as const,
    { do: 'stop', ...of } as const,
    { do: 'fail', ...of, attempt: 1, message: 'late' } as const,
  ])
    given(taskDecider, begun(1), finished('Success')).when(command).then();
});

test('the failure of an attempt counts only while that is the last one', () => {
  const fail = { do: 'fail', ...of, attempt: 1, message: 'away' } as const;
  given(taskDecider, begun(1)).when(fail).then(failed(1));
  given(taskDecider, begun(1), begun(2)).when(fail).then();
  given(taskDecider, begun(1), failed(1)).when(fail).then();
});

test('a task that waits is stopped at once, and one that runs is asked to end', () => {
  const stop = { do: 'stop', ...of } as const;
  const stoppedEarly = finished('Stopped', 'stopped before it began');
  given(taskDecider).when(stop).then(stoppedEarly);
  given(taskDecider, begun(1), failed(1)).when(stop).then(stoppedEarly);
  given(taskDecider, begun(1)).when(stop).then(toStop);
  given(taskDecider, begun(1), toStop).when(stop).then();
  given<Task, Parameters<typeof taskDecider.decide>[1], TaskEvent>(taskDecider, begun(1), toStop)
    .when({ do: 'start', ...of })
    .then();
});

test('what is to stop has no next attempt, and is stopped where this one fails', () => {
  given(taskDecider, begun(1), toStop)
    .when({ do: 'fail', ...of, attempt: 1, message: 'away' })
    .then(finished('Stopped', 'away'));
});

test('the last event of a task says all that counts', () => {
  const histories: TaskEvent[][] = [
    [begun(1), begun(2)],
    [begun(1), begun(2), failed(2)],
    [begun(1), begun(2), toStop],
    [begun(1), failed(1), finished('Error')],
  ];
  for (const history of histories)
    for (const command of [
      { do: 'start', ...of },
      { do: 'stop', ...of },
      { do: 'fail', ...of, attempt: 2, message: 'away' },
      finish,
    ] as const) {
      const { initial, evolve, decide } = taskDecider;
      assert.deepEqual(
        decide(history.slice(-1).reduce(evolve, initial), command),
        decide(history.reduce(evolve, initial), command),
      );
    }
});
