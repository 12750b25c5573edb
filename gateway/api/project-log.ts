import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Filter, Listing } from '../../projections/listing.ts';
import type { LogEntry, listProjectLog } from '../../projections/project-log/queries.ts';
import type { Access } from './access.ts';
import { lists, time } from './answer-forms.ts';
import { operation } from './operation.ts';
import type { ApiPorts, Query } from './ports.ts';

export interface ProjectLogPorts {
  readonly listProjectLog: Query<typeof listProjectLog>;
  /** Resolves when the log shows all that was recorded before. */
  projectLogReached(): Promise<void>;
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

/** Harbor's `project` operations on what was done in a project. */
export function projectLogRoutes(
  api: FastifyInstance,
  ports: Pick<ApiPorts, 'configuration'> & ProjectLogPorts,
  access: Access,
): void {
  async function page(request: FastifyRequest, listing: Listing) {
    const { project } = await access.inProject(request, 'log:list');
    const { robot_name_prefix: prefix } = await ports.configuration();
    const filters = listing.filters.map((filter) => withoutPrefix(filter, prefix));
    await ports.projectLogReached();
    const { rows, total } = await ports.listProjectLog(project.name, { ...listing, filters });
    return { rows: rows.map((row) => shown(row, prefix)), total };
  }

  operation(
    api,
    {
      id: 'getLogs',
      tag: 'project',
      method: 'GET',
      path: '/projects/:project_name/logs',
      summary: 'What was done in a project, the newest first; counted to 10,000.',
      answer: lists(auditLog),
    },
    async ({ request, listing }) => {
      const { rows, total } = await page(request, listing);
      return { rows: rows.map(({ description: _, ...row }) => row), total };
    },
  );

  operation(
    api,
    {
      id: 'getLogExts',
      tag: 'project',
      method: 'GET',
      path: '/projects/:project_name/auditlog-exts',
      summary: 'The same with a sentence on each and whether it succeeded; counted to 10,000.',
      answer: lists(auditLogExt),
    },
    async ({ request, listing }) => {
      const { rows, total } = await page(request, listing);
      return {
        // What failed has changed nothing, and is no event of a project.
        rows: rows.map(({ description, ...row }) => ({
          ...row,
          operation_description: description,
          operation_result: true,
        })),
        total,
      };
    },
  );
}

/** Robots are kept without what their names begin with, which may change. */
const withoutPrefix = (filter: Filter, prefix: string): Filter =>
  filter.key.toLowerCase() === 'username' && filter.kind === 'is' && filter.value.startsWith(prefix)
    ? { ...filter, value: filter.value.slice(prefix.length) }
    : filter;

const shown = (
  { id, username, isRobot, resource, resourceType, operation, description, at }: LogEntry,
  prefix: string,
) => ({
  id,
  username: isRobot ? prefix + username : username,
  resource,
  resource_type: resourceType,
  operation,
  op_time: at,
  description,
});
