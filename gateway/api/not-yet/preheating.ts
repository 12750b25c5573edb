import type { FastifyInstance } from 'fastify';
import type { Access } from '../access.ts';
import { badRequest, notFound } from '../faults.ts';
import { emptyArray, emptyList, notYetRoutes, refused } from './not-yet.ts';

const cannot = refused(() => badRequest('artifacts cannot be preheated yet'));
const unknownInstance = refused(({ preheat_instance_name }) =>
  notFound(`preheat instance ${preheat_instance_name} not found`),
);
const unknownPolicy = refused(({ preheat_policy_name }) =>
  notFound(`preheat policy ${preheat_policy_name} not found`),
);

const instances = '/p2p/preheat/instances';
const instance = `${instances}/:preheat_instance_name`;
const policies = '/projects/:project_name/preheat/policies';
const policy = `${policies}/:preheat_policy_name`;
const execution = `${policy}/executions/:execution_id`;

/** Harbor's `preheat` operations. */
export function preheatingRoutes(api: FastifyInstance, access: Access): void {
  notYetRoutes(api, access, 'preheat', [
    {
      id: 'ListProviders',
      method: 'GET',
      path: '/p2p/preheat/providers',
      summary: 'The kinds of networks to preheat.',
      for: { system: 'preheat-instance:list' },
      answer: emptyArray,
    },
    {
      id: 'PingInstances',
      method: 'POST',
      path: `${instances}/ping`,
      summary: 'Whether a network answers.',
      for: { system: 'preheat-instance:read' },
      answer: cannot,
    },
    {
      id: 'ListInstances',
      method: 'GET',
      path: instances,
      summary: 'The networks to preheat.',
      for: { system: 'preheat-instance:list' },
      answer: emptyList,
    },
    {
      id: 'CreateInstance',
      method: 'POST',
      path: instances,
      summary: 'Connects a network.',
      for: { system: 'preheat-instance:create' },
      answer: cannot,
    },
    {
      id: 'GetInstance',
      method: 'GET',
      path: instance,
      summary: 'A network.',
      for: { system: 'preheat-instance:read' },
      answer: unknownInstance,
    },
    {
      id: 'UpdateInstance',
      method: 'PUT',
      path: instance,
      summary: 'Changes a network.',
      for: { system: 'preheat-instance:update' },
      answer: unknownInstance,
    },
    {
      id: 'DeleteInstance',
      method: 'DELETE',
      path: instance,
      summary: 'Disconnects a network.',
      for: { system: 'preheat-instance:delete' },
      answer: unknownInstance,
    },
    {
      id: 'ListProvidersUnderProject',
      method: 'GET',
      path: '/projects/:project_name/preheat/providers',
      summary: 'The networks that a project can preheat.',
      for: { project: 'preheat-policy:list' },
      answer: emptyArray,
    },
    {
      id: 'ListPolicies',
      method: 'GET',
      path: policies,
      summary: 'The rules by which a project preheats.',
      for: { project: 'preheat-policy:list' },
      answer: emptyList,
    },
    {
      id: 'CreatePolicy',
      method: 'POST',
      path: policies,
      summary: 'Creates a rule.',
      for: { project: 'preheat-policy:create' },
      answer: cannot,
    },
    {
      id: 'GetPolicy',
      method: 'GET',
      path: policy,
      summary: 'A rule.',
      for: { project: 'preheat-policy:read' },
      answer: unknownPolicy,
    },
    {
      id: 'UpdatePolicy',
      method: 'PUT',
      path: policy,
      summary: 'Changes a rule.',
      for: { project: 'preheat-policy:update' },
      answer: unknownPolicy,
    },
    {
      id: 'ManualPreheat',
      method: 'POST',
      path: policy,
      summary: 'Follows a rule now.',
      for: { project: 'preheat-policy:read' },
      answer: unknownPolicy,
    },
    {
      id: 'DeletePolicy',
      method: 'DELETE',
      path: policy,
      summary: 'Deletes a rule.',
      for: { project: 'preheat-policy:delete' },
      answer: unknownPolicy,
    },
    {
      id: 'ListExecutions',
      method: 'GET',
      path: `${policy}/executions`,
      summary: 'The runs of a rule.',
      for: { project: 'preheat-policy:list' },
      answer: unknownPolicy,
    },
    {
      id: 'GetExecution',
      method: 'GET',
      path: execution,
      summary: 'A run.',
      for: { project: 'preheat-policy:read' },
      answer: unknownPolicy,
    },
    {
      id: 'StopExecution',
      method: 'PATCH',
      path: execution,
      summary: 'Stops a run.',
      for: { project: 'preheat-policy:update' },
      answer: unknownPolicy,
    },
    {
      id: 'ListTasks',
      method: 'GET',
      path: `${execution}/tasks`,
      summary: 'What a run preheats.',
      for: { project: 'preheat-policy:list' },
      answer: unknownPolicy,
    },
    {
      id: 'GetPreheatLog',
      method: 'GET',
      path: `${execution}/tasks/:task_id/logs`,
      summary: 'The log of one artifact.',
      for: { project: 'preheat-policy:read' },
      answer: unknownPolicy,
    },
  ]);
}
