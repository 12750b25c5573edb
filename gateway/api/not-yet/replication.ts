import type { FastifyInstance } from 'fastify';
import type { Access } from '../access.ts';
import { badRequest, notFound } from '../faults.ts';
import { emptyList, notYetRoutes, refused } from './not-yet.ts';

const cannot = refused(() => badRequest('artifacts cannot be replicated yet'));
const unknownPolicy = refused(({ id }) => notFound(`replication policy ${id} not found`));
const unknownExecution = refused(({ id }) => notFound(`replication execution ${id} not found`));

/** Harbor's `replication` operations. */
export function replicationRoutes(api: FastifyInstance, access: Access): void {
  const policies = '/replication/policies';
  const executions = '/replication/executions';
  notYetRoutes(api, access, 'replication', [
    {
      id: 'listReplicationPolicies',
      method: 'GET',
      path: policies,
      summary: 'The rules by which artifacts are copied.',
      for: { system: 'replication-policy:list' },
      answer: emptyList,
    },
    {
      id: 'createReplicationPolicy',
      method: 'POST',
      path: policies,
      summary: 'Creates a rule.',
      for: { system: 'replication-policy:create' },
      answer: cannot,
    },
    {
      id: 'getReplicationPolicy',
      method: 'GET',
      path: `${policies}/:id`,
      summary: 'A rule.',
      for: { system: 'replication-policy:read' },
      answer: unknownPolicy,
    },
    {
      id: 'updateReplicationPolicy',
      method: 'PUT',
      path: `${policies}/:id`,
      summary: 'Changes a rule.',
      for: { system: 'replication-policy:update' },
      answer: unknownPolicy,
    },
    {
      id: 'deleteReplicationPolicy',
      method: 'DELETE',
      path: `${policies}/:id`,
      summary: 'Deletes a rule.',
      for: { system: 'replication-policy:delete' },
      answer: unknownPolicy,
    },
    {
      id: 'listReplicationExecutions',
      method: 'GET',
      path: executions,
      summary: 'The runs of the rules.',
      for: { system: 'replication:list' },
      answer: emptyList,
    },
    {
      id: 'startReplication',
      method: 'POST',
      path: executions,
      summary: 'Runs a rule now.',
      for: { system: 'replication:create' },
      answer: cannot,
    },
    {
      id: 'getReplicationExecution',
      method: 'GET',
      path: `${executions}/:id`,
      summary: 'A run.',
      for: { system: 'replication:read' },
      answer: unknownExecution,
    },
    {
      id: 'stopReplication',
      method: 'PUT',
      path: `${executions}/:id`,
      summary: 'Stops a run.',
      for: { system: 'replication:create' },
      answer: unknownExecution,
    },
    {
      id: 'listReplicationTasks',
      method: 'GET',
      path: `${executions}/:id/tasks`,
      summary: 'What a run copies.',
      for: { system: 'replication:list' },
      answer: unknownExecution,
    },
    {
      id: 'getReplicationLog',
      method: 'GET',
      path: `${executions}/:id/tasks/:task_id/log`,
      summary: 'The log of one copy.',
      for: { system: 'replication:read' },
      answer: unknownExecution,
    },
  ]);
}
