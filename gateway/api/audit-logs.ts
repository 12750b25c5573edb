import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { auditTypes, partsOf } from '../../domain/audit/types.ts';
import { auditEventTypes } from '../../domain/configuration/items.ts';
import type { AuditRow, AuditScope, listAudit } from '../../projections/audit/queries.ts';
import type { findAuditEntry, searchAudit } from '../../projections/audit/search.ts';
import type { Listing } from '../../projections/listing.ts';
import type { Access } from './access.ts';
import { lists, shows, time } from './answer-forms.ts';
import type { AuditExportPorts } from './audit-exports.ts';
import { auditScopes } from './audit-scopes.ts';
import { operation } from './operation.ts';
import type { ApiPorts, Query } from './ports.ts';

export interface AuditPorts {
  readonly listAudit: Query<typeof listAudit>;
  readonly searchAudit: Query<typeof searchAudit>;
  readonly findAuditEntry: Query<typeof findAuditEntry>;
  readonly auditExports: AuditExportPorts;
  /** Resolves when the audit log shows all that was recorded before. */
  auditIsCurrent(): Promise<void>;
}

/** Harbor's `AuditLog`. */
const entry = z.object({
  id: z.int(),
  username: z.string(),
  resource: z.string(),
  resource_type: z.string(),
  operation: z.string(),
  op_time: time,
});
const auditLog = entry.meta({ id: 'AuditLog' });
/** Harbor's `AuditLogExt`. */
const auditLogExt = entry
  .extend({ operation_description: z.string(), operation_result: z.boolean() })
  .meta({ id: 'AuditLogExt' });
/** Harbor's `AuditLogEventType`. */
const eventType = z.object({ event_type: z.string() }).meta({ id: 'AuditLogEventType' });

/** What the older of Harbor's logs tells of. */
const oldTypes = auditTypes.filter((type) =>
  ['project', 'repository', 'artifact', 'tag', 'robot'].includes(partsOf(type).resourceType),
);

/** Harbor's `auditlog` operations, and those of `project` on its log. */
export function auditLogRoutes(
  api: FastifyInstance,
  ports: Pick<ApiPorts, 'configuration' | 'queries'> & AuditPorts,
  access: Access,
): void {
  const { scopeOf } = auditScopes(ports, access);

  async function page(listing: Listing, scope: AuditScope, of: 'all' | 'old') {
    const { robot_name_prefix: prefix } = await ports.configuration();
    await ports.auditIsCurrent();
    const { rows, total } = await ports.listAudit({
      ...listing,
      scope,
      types: of === 'old' ? oldTypes : auditTypes,
      withFailed: of === 'all',
      robotPrefix: prefix,
    });
    return { rows: rows.map((row) => shown(row, prefix)), total };
  }

  const inOldForm = async (listing: Listing, scope: AuditScope) => {
    const { rows, total } = await page(listing, scope, 'old');
    return {
      rows: rows.map(({ operation_description: _, operation_result: __, ...row }) => row),
      total,
    };
  };

  operation(
    api,
    {
      id: 'listAuditLogs',
      tag: 'auditlog',
      method: 'GET',
      path: '/audit-logs',
      summary:
        'What was done in the projects whose log the asker may read, in the form of older versions; counted to 10,000.',
      answer: lists(auditLog),
    },
    async ({ request, listing }) => inOldForm(listing, await scopeOf(request)),
  );

  operation(
    api,
    {
      id: 'listAuditLogExts',
      tag: 'auditlog',
      method: 'GET',
      path: '/auditlog-exts',
      summary:
        'The audit log: all of it for who may read that of the system, else that of the projects whose log he may read; counted to 10,000, so that older rows are asked for by `op_time`.',
      answer: lists(auditLogExt),
    },
    async ({ request, listing }) => page(listing, await scopeOf(request), 'all'),
  );

  operation(
    api,
    {
      id: 'listAuditLogEventTypes',
      tag: 'auditlog',
      method: 'GET',
      path: '/auditlog-exts/events',
      summary: 'What the audit log tells of and can leave out.',
      answer: shows(z.array(eventType)),
    },
    async ({ request }) => {
      await access.inSystem(request, 'audit-log:list');
      return auditEventTypes.map((name) => ({ event_type: name }));
    },
  );

  operation(
    api,
    {
      id: 'getLogs',
      tag: 'project',
      method: 'GET',
      path: '/projects/:project_name/logs',
      summary: 'What was done in a project, in the form of older versions; counted to 10,000.',
      answer: lists(auditLog),
    },
    async ({ request, listing }) => inOldForm(listing, await scopeOfProject(request)),
  );

  operation(
    api,
    {
      id: 'getLogExts',
      tag: 'project',
      method: 'GET',
      path: '/projects/:project_name/auditlog-exts',
      summary: 'What was done in a project, the newest first; counted to 10,000.',
      answer: lists(auditLogExt),
    },
    async ({ request, listing }) => page(listing, await scopeOfProject(request), 'all'),
  );

  async function scopeOfProject(request: FastifyRequest): Promise<AuditScope> {
    const { project } = await access.inProject(request, 'log:list');
    return { kind: 'projects', projectIds: [project.projectId] };
  }
}

function shown({ type, isRobot, username, ...row }: AuditRow, prefix: string) {
  const { operation, resourceType } = partsOf(type);
  return {
    id: row.id,
    username: isRobot ? prefix + username : username,
    resource: row.resource,
    resource_type: resourceType,
    operation,
    op_time: row.at,
    operation_description: row.description,
    operation_result: row.succeeded,
  };
}
