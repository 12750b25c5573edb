import type { FastifyInstance } from 'fastify';
import { purgeParameters } from '../../domain/audit/purge-parameters.ts';
import { auditEventTypes } from '../../domain/configuration/items.ts';
import type { Access } from './access.ts';
import { badRequest } from './faults.ts';
import { readParameters, type ScheduleForm, type SystemJobPorts } from './system-job.ts';
import { systemJobRoutes } from './system-job-routes.ts';

/** Harbor's `purge` operations. */
export function auditPurgeRoutes(api: FastifyInstance, ports: SystemJobPorts, access: Access): void {
  systemJobRoutes(api, ports, access, {
    kind: 'PURGE_AUDIT_LOG',
    tag: 'purge',
    path: '/system/purgeaudit',
    run: 'purge_id',
    history: 'ExecHistory',
    resource: 'purge-audit',
    list: ['getPurgeHistory', 'The purges of the audit log, the latest first.'],
    readSchedule: ['getPurgeSchedule', 'When the audit log is purged by itself.'],
    create: ['createPurgeSchedule', 'Purges the audit log now, or by a schedule from now on.'],
    update: ['updatePurgeSchedule', 'Purges the audit log by another schedule from now on, by none, or now.'],
    read: ['getPurgeJob', 'A purge of the audit log.'],
    stop: ['stopPurge', 'Asks a purge to stop; what is gone is gone.'],
    log: ['getPurgeJobLog', 'What a purge has to say.'],
    parametersOf,
  });
}

/** The older name of what is to go, by operations and not by types of events. */
const olderName = 'include_operations';

/** @throws RequestRefused 400 */
function parametersOf(type: string, parameters: ScheduleForm['parameters']) {
  // Nothing is purged, whatever they are: who ends a schedule need not say what it was for.
  if (type === '' || type === 'None') return {};
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
