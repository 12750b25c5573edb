import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainEvent } from '../../domain/event.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { type PublicEventsDatabase, publicEvents } from '../../projections/public-events/projection.ts';
import { projectNumbersAt } from '../../projections/public-events/queries.ts';
import { rowsAfter } from './views-rows.ts';
import { startSetting } from './views-setting.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const created = (name: string, projectId: number): DomainEvent => ({
  type: 'ProjectCreated',
  data: { name, projectId, public: false, owner: 'admin', storageLimit: null },
});
const deleted = (name: string, projectId: number): DomainEvent => ({
  type: 'ProjectDeleted',
  data: { name, projectId },
});
const assigned = (repository: string): DomainEvent => ({
  type: 'TagAssigned',
  data: { repository, tag: 'v1', digest },
});
const secretEnded = (name: string): DomainEvent => ({
  type: 'RobotPreviousSecretEnded',
  data: { name, robotId: 7 },
});

const inOrder = <Row extends Record<string, unknown>>(rows: readonly Row[] = []) =>
  rows.toSorted((one, other) => Number(one.position) - Number(other.position));

test('public events: of the project that had the name at the time, applied one by one or all at once', async (t) => {
  const setting = await startSetting(t);
  const { events, projects } = await rowsAfter(setting, publicEvents, [
    assigned('team/early'),
    created('team', 5),
    assigned('team/app'),
    secretEnded('team+ci'),
    deleted('team', 5),
    assigned('team/between'),
    secretEnded('team+ci'),
    secretEnded('system-robot'),
    created('team', 9),
    assigned('team/app'),
    { type: 'ManifestReprieved', data: { repository: 'team/app', digest } },
    { type: 'QueuePaused', data: { kind: 'SCRUB' } },
  ]);
  assert.deepEqual(
    inOrder(events).map(({ type, need, project, project_id, repository, actor }) => [
      ...[type, need, project, project_id, repository],
      actor === 'user:admin',
    ]),
    [
      ['tag.assigned', 'read', 'team', null, 'team/early', true],
      ['project.created', 'log', 'team', 5, null, true],
      ['tag.assigned', 'read', 'team', 5, 'team/app', true],
      ['robot.secret.ended', 'log', 'team', 5, null, true],
      ['project.deleted', 'log', 'team', 5, null, true],
      ['tag.assigned', 'read', 'team', null, 'team/between', true],
      ['robot.secret.ended', 'system', 'team', null, null, true],
      ['robot.secret.ended', 'system', null, null, null, true],
      ['project.created', 'log', 'team', 9, null, true],
      ['tag.assigned', 'read', 'team', 9, 'team/app', true],
      ['queue.paused', 'system', null, null, null, true],
    ],
  );
  assert.deepEqual(
    projects?.map(({ name, project_id }) => [name, project_id]),
    [['team', 9]],
  );

  const { kysely } = await setting.connect();
  const db = viewOf<PublicEventsDatabase>(kysely, publicEvents);
  assert.deepEqual(await projectNumbersAt(db, 1n), []);
  assert.deepEqual(await projectNumbersAt(db, 4n), [['team', 5]]);
  assert.deepEqual(await projectNumbersAt(db, 7n), []);
  assert.deepEqual(await projectNumbersAt(db, 12n), [['team', 9]]);
});
