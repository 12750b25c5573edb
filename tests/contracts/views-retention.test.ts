import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainEvent } from '../../domain/event.ts';
import { retention } from '../../projections/retention/projection.ts';
import { rowsAfter } from './views-rows.ts';
import { startSetting } from './views-setting.ts';

const which = (policyId: number, projectId: number) => ({
  policyId,
  project: `project-${projectId}`,
  projectId,
});
const policy = (type: string, policyId: number, projectId: number, cron = ''): DomainEvent => ({
  type,
  data: { ...which(policyId, projectId), ...(type !== 'RetentionPolicyDeleted' && { rules: [], cron }) },
});
const projectGone = (projectId: number): DomainEvent => ({
  type: 'ProjectDeleted',
  data: { name: `project-${projectId}`, projectId },
});

test('retention: policies as they were changed last, without those of projects that are gone', async (t) => {
  const setting = await startSetting(t);
  const { policies } = await rowsAfter(setting, retention, [
    policy('RetentionPolicyCreated', 1, 7),
    policy('RetentionPolicyCreated', 2, 8),
    policy('RetentionPolicyCreated', 3, 9),
    policy('RetentionPolicyChanged', 1, 7, '0 0 0 * * *'),
    policy('RetentionPolicyDeleted', 2, 8),
    projectGone(9),
    // What is recorded after that brings nothing back.
    policy('RetentionPolicyChanged', 3, 9, '0 0 1 * * *'),
    policy('RetentionPolicyDeleted', 3, 9),
  ]);
  assert.deepEqual(
    policies?.map(({ policy_id, project_id, cron }) => [policy_id, project_id, cron]),
    [[1, 7, '0 0 0 * * *']],
  );
});
