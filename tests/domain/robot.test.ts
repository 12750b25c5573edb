import { test } from 'node:test';
import { forEver, robotDecider } from '../../domain/robot/decider.ts';
import type { RobotEvent } from '../../domain/robot/events.ts';
import { given } from '../given.ts';

const permissions = [
  { scope: { kind: 'project', project: 'team' } as const, access: ['repository:pull' as const] },
];
const settings = { description: 'builds', disabled: false, durationDays: 30, permissions };
const command = {
  do: 'create',
  name: 'team+ci',
  robotId: 1,
  project: { name: 'team', projectId: 2 },
  ...settings,
  secretHash: '$argon2id$first',
  now: new Date('2025-01-01T12:00:00Z'),
  creatorType: 'local',
  creatorRef: 3,
} as const;
const created: RobotEvent = {
  type: 'RobotCreated',
  data: {
    name: 'team+ci',
    robotId: 1,
    project: 'team',
    projectId: 2,
    ...settings,
    expiresAt: '2025-01-31T12:00:00.000Z',
    secretHash: '$argon2id$first',
    createdAt: '2025-01-01T12:00:00.000Z',
    creatorType: 'local',
    creatorRef: 3,
  },
};
const which = { name: 'team+ci', robotId: 1 };
const first = { secretHash: '$argon2id$first', secretVersion: 0 };
const rotate = { do: 'change-secret', robotId: 1, secretHash: '$argon2id$second' } as const;
const secretChanged = (
  previous: Extract<RobotEvent, { type: 'RobotSecretChanged' }>['data']['previous'],
): RobotEvent => ({
  type: 'RobotSecretChanged',
  data: { ...which, secretHash: '$argon2id$second', previous },
});
const deleted: RobotEvent = { type: 'RobotDeleted', data: which };

test('a robot lives as many days as it was given, counted from its creation', () => {
  given(robotDecider).when(command).then(created);
  given(robotDecider, created)
    .when({ do: 'change', robotId: 1, ...settings, durationDays: 31 })
    .then({
      type: 'RobotChanged',
      data: { ...which, ...settings, durationDays: 31, expiresAt: '2025-02-01T12:00:00.000Z' },
    });
});

test('a robot for millions of years expires at the end of the times that can be written', () => {
  const durationDays = 2_147_483_646;
  given(robotDecider, created)
    .when({ do: 'change', robotId: 1, ...settings, durationDays })
    .then({
      type: 'RobotChanged',
      data: { ...which, ...settings, durationDays, expiresAt: '9999-12-31T23:59:59.999Z' },
    });
});

test('a robot for ever never expires', () => {
  given(robotDecider, created)
    .when({ do: 'change', robotId: 1, ...settings, durationDays: forEver })
    .then({ type: 'RobotChanged', data: { ...which, ...settings, durationDays: forEver, expiresAt: null } });
});

test('a robot of the system belongs to no project', () => {
  given(robotDecider)
    .when({ ...command, name: 'ci', project: null })
    .then({
      ...created,
      data: { ...created.data, name: 'ci', project: null, projectId: null },
    } as RobotEvent);
});

test('the name of a robot is taken once, until it is deleted', () => {
  given(robotDecider, created)
    .when({ ...command, robotId: 2 })
    .thenRefused({ kind: 'robot-exists', robot: 'team+ci' });
  given(robotDecider, created, deleted)
    .when({ ...command, robotId: 2 })
    .then({ ...created, data: { ...created.data, robotId: 2 } } as RobotEvent);
});

test('a robot of a project that is gone does not keep its name from the next project of that name', () => {
  given(robotDecider, created)
    .when({ ...command, robotId: 2, project: { name: 'team', projectId: 9 } })
    .then({ ...created, data: { ...created.data, robotId: 2, projectId: 9 } } as RobotEvent);
});

test('a robot gets another secret, which is recorded as a hash', () => {
  given(robotDecider, created)
    .when({ do: 'change-secret', robotId: 1, secretHash: '$argon2id$second', previousUntil: null })
    .then(secretChanged(null));
});

test('the secret from before is good for a while, where that is asked for, with the version that it had', () => {
  given(robotDecider, created)
    .when({ ...rotate, previousUntil: new Date('2025-01-02T12:00:00Z') })
    .then(secretChanged({ ...first, validUntil: '2025-01-02T12:00:00.000Z' }));
});

test('a second rotation leaves the newest two secrets, and the version counts every event of the name', () => {
  const changed = { type: 'RobotChanged', data: { ...created.data, ...which } } as unknown as RobotEvent;
  given(robotDecider, created, changed, secretChanged({ ...first, validUntil: '2025-01-02T12:00:00.000Z' }))
    .when({ ...rotate, secretHash: '$argon2id$third', previousUntil: new Date('2025-01-03T12:00:00Z') })
    .then({
      type: 'RobotSecretChanged',
      data: {
        ...which,
        secretHash: '$argon2id$third',
        previous: {
          secretHash: '$argon2id$second',
          secretVersion: 2,
          validUntil: '2025-01-03T12:00:00.000Z',
        },
      },
    });
});

test('the secret from before is ended once, and where there is none nothing happens', () => {
  const end = { do: 'end-previous-secret', robotId: 1 } as const;
  const ended: RobotEvent = { type: 'RobotPreviousSecretEnded', data: which };
  const rotated = secretChanged({ ...first, validUntil: '2025-01-02T12:00:00.000Z' });
  given(robotDecider, created, rotated).when(end).then(ended);
  given(robotDecider, created, rotated, ended).when(end).then();
  given(robotDecider, created, rotated, secretChanged(null)).when(end).then();
  given(robotDecider, created).when(end).then();
});

test('what is meant for a robot that is gone never hits another one of the same name', () => {
  const successor = { ...created, data: { ...created.data, robotId: 2 } } as RobotEvent;
  for (const late of [
    { do: 'change', robotId: 1, ...settings },
    { do: 'change-secret', robotId: 1, secretHash: 'x', previousUntil: null },
    { do: 'end-previous-secret', robotId: 1 },
    { do: 'delete', robotId: 1 },
  ] as const)
    given(robotDecider, created, deleted, successor)
      .when(late)
      .thenRefused({ kind: 'robot-unknown', robotId: 1 });
});

test('a robot of a project that is gone does not take the place of one of the next project of the name', () => {
  const successor = { ...created, data: { ...created.data, projectId: 9 } };
  given(robotDecider, successor).when(command).thenRefused({ kind: 'project-unknown', project: 'team' });
});
