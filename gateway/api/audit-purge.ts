import type { FastifyInstance } from 'fastify';
import { purgeParameters } from '../../domain/audit/purge-parameters.ts';
import { auditEventTypes } from '../../domain/configuration/items.ts';
import type { Access } from './access.ts';
import { creates, lists, nothing, says, shows, showsIfAny } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { operation } from './operation.ts';
import {
  historyAnswer,
  readParameters,
  type ScheduleForm,
  type SystemJobPorts,
  scheduleForm,
  systemJob,
} from './system-job.ts';

const tag = 'purge';
const path = '/system/purgeaudit/:purge_id';
const schedulePath = '/system/purgeaudit/schedule';
const history = historyAnswer('ExecHistory');

/** Harbor's `purge` operations. */
export function auditPurgeRoutes(api: FastifyInstance, ports: SystemJobPorts, access: Access): void {
  const job = systemJob('PURGE_AUDIT_LOG', ports);

  operation(
    api,
    {
      id: 'getPurgeHistory',
      tag,
      method: 'GET',
      path: '/system/purgeaudit',
      summary: 'The purges of the audit log, the latest first.',
      answer: lists(history),
    },
    async ({ request, listing }) => {
      await access.inSystem(request, 'purge-audit:list');
      return job.list(listing);
    },
  );

  operation(
    api,
    {
      id: 'getPurgeSchedule',
      tag,
      method: 'GET',
      path: schedulePath,
      summary: 'When the audit log is purged by itself.',
      answer: showsIfAny(history),
    },
    async ({ request }) => {
      await access.inSystem(request, 'purge-audit:read');
      return job.schedule();
    },
  );

  operation(
    api,
    {
      id: 'createPurgeSchedule',
      tag,
      method: 'POST',
      path: schedulePath,
      summary: 'Purges the audit log now, or by a schedule from now on.',
      body: scheduleForm,
      answer: creates,
    },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, 'purge-audit:create');
      const form = await body();
      const id = await job.change(form, parametersOf(form), metadata);
      return { id, location: `/api/v2.0/system/purgeaudit/${id}` };
    },
  );

  operation(
    api,
    {
      id: 'updatePurgeSchedule',
      tag,
      method: 'PUT',
      path: schedulePath,
      summary: 'Purges the audit log by another schedule from now on, by none, or now.',
      body: scheduleForm,
      answer: nothing,
    },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, 'purge-audit:update');
      const form = await body();
      await job.change(form, parametersOf(form), metadata);
    },
  );

  operation(
    api,
    {
      id: 'getPurgeJob',
      tag,
      method: 'GET',
      path,
      summary: 'A purge of the audit log.',
      answer: shows(history),
    },
    async ({ request, path: { purge_id } }) => {
      await access.inSystem(request, 'purge-audit:read');
      return job.show(purge_id);
    },
  );

  operation(
    api,
    {
      id: 'stopPurge',
      tag,
      method: 'PUT',
      path,
      summary: 'Asks a purge to stop; what is gone is gone.',
      answer: nothing,
    },
    async ({ request, path: { purge_id } }) => {
      const { metadata } = await access.inSystem(request, 'purge-audit:stop');
      await job.stop(purge_id, metadata);
    },
  );

  operation(
    api,
    {
      id: 'getPurgeJobLog',
      tag,
      method: 'GET',
      path: `${path}/log`,
      summary: 'What a purge has to say.',
      answer: says(),
    },
    async ({ request, path: { purge_id } }) => {
      await access.inSystem(request, 'purge-audit:read');
      return job.log(purge_id);
    },
  );
}

/** The older name of what is to go, by operations and not by types of events. */
const olderName = 'include_operations';

/** @throws RequestRefused 400 */
function parametersOf({ schedule, parameters }: ScheduleForm) {
  if (schedule === undefined || schedule === null) throw badRequest('schedule cannot be empty');
  // Nothing is purged, whatever they are: who ends a schedule need not say what it was for.
  if (!schedule.type || schedule.type === 'None') return {};
  const { [olderName]: operations, ...given } = parameters ?? {};
  const types =
    given.include_event_types ?? (typeof operations === 'string' ? typesOf(operations) : operations);
  if (Object.keys(parameters ?? {}).length === 0) throw badRequest('schedule parameters cannot be empty');
  if ((given.audit_retention_hour ?? null) === null) throw badRequest('audit_retention_hour should provide');
  if ((types ?? null) === null) throw badRequest('include_event_types should provide');
  return readParameters(purgeParameters, { ...given, include_event_types: types });
}

/** `create,pull`: all types of events of these operations. */
const typesOf = (operations: string): string => {
  const asked = new Set(operations.split(',').map((each) => each.trim()));
  return auditEventTypes
    .filter((type) => asked.has(type) || asked.has(type.split('_', 1)[0] ?? ''))
    .join(',');
};
