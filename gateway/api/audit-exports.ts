import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Principal, userOf } from '../../domain/access/principal.ts';
import { auditFormats } from '../../domain/audit/formats.ts';
import type { Metadata } from '../../domain/event.ts';
import { noVendor } from '../../domain/execution/kinds.ts';
import type { AuditExport, AuditExports } from '../../infra/audit-exports/port.ts';
import type { AuditScope } from '../../projections/audit/queries.ts';
import type { Status } from '../../projections/executions/projection.ts';
import type { statusesOf } from '../../projections/executions/queries.ts';
import type { Access } from './access.ts';
import { type AnswerForm, begins, nothing, shows, time } from './answer-forms.ts';
import { auditFilters, questionOf } from './audit-entries.ts';
import { auditScopes, readsEverything } from './audit-scopes.ts';
import { conflict, notFound } from './faults.ts';
import { operation } from './operation.ts';
import type { ApiPorts, Query } from './ports.ts';
import type { SystemJobPorts } from './system-job.ts';

export interface AuditExportPorts extends Pick<SystemJobPorts, 'startExecution' | 'reached'> {
  readonly exports: AuditExports;
  readonly statusesOf: Query<typeof statusesOf>;
  /** For how long a file can be downloaded. Milliseconds. */
  readonly exportLifeMs: number;
}

const tag = 'auditlog';
/** Of one asker; those that have expired do not count. */
const maxKept = 10;
const maxListed = 100;

const form = z
  .object({
    format: z.enum(auditFormats),
    ...Object.fromEntries(
      Object.entries(auditFilters).map(([name, filter]) => [name, (filter as z.ZodType).optional()]),
    ),
    project_id: z
      .int()
      .positive()
      .max(2 ** 31 - 1)
      .optional(),
  })
  .meta({ id: 'AuditExportForm' });

const answer = z
  .object({
    id: z.string(),
    format: z.enum(auditFormats),
    status: z
      .enum(['running', 'done', 'failed'])
      .describe('failed where its job has failed for ever, or was stopped'),
    entries: z.int().describe('How many are written so far'),
    bytes: z.int().describe('Of what is written so far, compressed'),
    creation_time: time,
    expiration_time: time.describe('When the file is gone'),
  })
  .meta({ id: 'AuditExport' });

type Shown = Omit<AuditExport, 'owner' | 'request' | 'parts' | 'place'>;

interface File {
  readonly name: string;
  readonly content: Readable;
}

const download: AnswerForm<File> = {
  status: 200,
  description: 'The file, compressed with gzip',
  contentType: 'application/gzip',
  headers: { 'Content-Disposition': 'The name of the file' },
  send: ({ name, content }, { reply }) =>
    reply
      .type('application/gzip')
      .header('content-disposition', `attachment; filename="${name}"`)
      .header('cache-control', 'no-store')
      .send(content),
};

/** A part of the audit log as a file, which a job writes; beyond Harbor. */
export function auditExportRoutes(
  api: FastifyInstance,
  ports: Pick<ApiPorts, 'configuration' | 'queries' | 'auditExports'>,
  access: Access,
): void {
  const { exports, exportLifeMs, startExecution, statusesOf, reached } = ports.auditExports;
  const { scopeOf } = auditScopes(ports, access);

  const bornAfter = () => new Date(Date.now() - exportLifeMs);

  operation(
    api,
    {
      id: 'startAuditExport',
      tag,
      method: 'POST',
      path: '/audit/exports',
      summary:
        'Begins to write those entries of the audit log that the asker may read, and that all of what is asked is true of, into a file: up to this moment, the oldest first.',
      body: form,
      answer: begins(answer),
    },
    async ({ request, body }) => {
      const { principal, metadata } = await access.known(request);
      const { format, ...filters } = await body();
      const scope = await scopeOf(request);
      const { robot_name_prefix: robotPrefix } = await ports.configuration();
      const createdAt = new Date();
      const { until = createdAt, ...question } = await questionOf(ports, filters, robotPrefix);
      const asked = {
        ...{ id: randomUUID(), owner: ownerOf(principal), format, createdAt },
        request: {
          question: { ...question, scope, until: until < createdAt ? until : createdAt },
          robotPrefix,
        },
      };
      await exports.sweep(bornAfter());
      if (!(await exports.create(asked, maxKept)))
        throw conflict(`there are ${maxKept} exports already; one has to be deleted, or to expire, first`);
      await begin(asked.id, metadata);
      const none = { entries: 0, bytes: 0, isDone: false, executionId: undefined };
      return { id: asked.id, body: shown({ ...asked, ...none }, new Map()) };
    },
  );

  async function begin(id: string, metadata: Metadata): Promise<void> {
    const parameters = { export_id: id };
    const work = { kind: 'AUDIT_EXPORT', vendorId: noVendor, trigger: 'MANUAL', parameters } as const;
    try {
      const { executionId, position } = await startExecution({ ...work, tasks: [{ parameters }] }, metadata);
      await exports.begun(id, executionId);
      await reached(position);
    } catch (error) {
      // Nobody was told of it. Where it was begun all the same, its job finds nothing to do.
      await exports.forget(id).catch(() => undefined);
      throw error;
    }
  }

  operation(
    api,
    {
      id: 'listAuditExports',
      tag,
      method: 'GET',
      path: '/audit/exports',
      summary: 'The exports of the asker, or all for who may read the whole audit log; the newest 100.',
      answer: shows(z.array(answer)),
    },
    async ({ request }) => {
      const { principal } = await access.known(request);
      const owner = readsEverything(principal) ? undefined : ownerOf(principal);
      const listed = await exports.list(owner, maxListed);
      const alive = listed.filter(({ createdAt }) => createdAt >= bornAfter());
      const statuses = await statusesOf(writersOf(alive));
      return alive.map((asked) => shown(asked, statuses));
    },
  );

  operation(
    api,
    {
      id: 'getAuditExport',
      tag,
      method: 'GET',
      path: '/audit/exports/:export_id',
      summary: 'How far an export is.',
      answer: shows(answer),
    },
    async ({ request, path: { export_id } }) => {
      const asked = await found(request, export_id);
      return shown(asked, await statusesOf(writersOf([asked])));
    },
  );

  operation(
    api,
    {
      id: 'downloadAuditExport',
      tag,
      method: 'GET',
      path: '/audit/exports/:export_id/file',
      summary: 'The file of an export that is done, for who may still read all that is in it.',
      answer: download,
    },
    async ({ request, path: { export_id } }) => {
      const asked = await found(request, export_id);
      if (!asked.isDone) throw conflict('the export is not done yet');
      const { question } = asked.request as { readonly question: { readonly scope: AuditScope } };
      if (!isWithin(question.scope, await scopeOf(request))) throw gone(export_id);
      return {
        name: `audit-${asked.createdAt.toISOString().replace(/[-:]|\.\d+/g, '')}.${asked.format}.gz`,
        content: Readable.from(partsOf(asked)),
      };
    },
  );

  operation(
    api,
    {
      id: 'deleteAuditExport',
      tag,
      method: 'DELETE',
      path: '/audit/exports/:export_id',
      summary: 'Deletes an export and its file; where it is still written, it ends.',
      answer: nothing,
    },
    async ({ request, path: { export_id } }) => {
      await found(request, export_id);
      await exports.forget(export_id);
    },
  );

  /** @throws RequestRefused 404 for that of somebody else, and for one that has expired, too */
  async function found(request: FastifyRequest, id: string): Promise<AuditExport> {
    const { principal } = await access.known(request);
    const asked = isUuid.test(id) ? await exports.find(id) : undefined;
    const isHis = asked?.owner === ownerOf(principal) || readsEverything(principal);
    if (asked === undefined || !isHis || asked.createdAt < bornAfter()) throw gone(id);
    return asked;
  }

  /** One part is in memory at a time. */
  async function* partsOf({ id, parts }: AuditExport): AsyncGenerator<Buffer> {
    for (let part = 0; part < parts; part += 1) {
      const bytes = await exports.read(id, part);
      if (bytes === undefined) throw new Error(`the export ${id} was deleted while it was sent`);
      yield bytes;
    }
  }

  function shown(
    { id, format, entries, bytes, createdAt, isDone, executionId }: Shown,
    statuses: ReadonlyMap<number, Status>,
  ) {
    const status = executionId === undefined ? undefined : statuses.get(executionId);
    const hasFailed = status === 'Error' || status === 'Stopped';
    return {
      ...{ id, entries, bytes },
      format: format as (typeof auditFormats)[number],
      status: isDone ? ('done' as const) : hasFailed ? ('failed' as const) : ('running' as const),
      creation_time: createdAt,
      expiration_time: new Date(createdAt.getTime() + exportLifeMs),
    };
  }
}

/** Which executions are to finish those that are not done. */
const writersOf = (listed: readonly AuditExport[]): readonly number[] =>
  listed.flatMap(({ isDone, executionId }) => (isDone || executionId === undefined ? [] : [executionId]));

const isUuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
const gone = (id: string) => notFound(`audit export ${id} not found`);

/** By numbers, which are never given again. */
function ownerOf(principal: Principal): string {
  const user = userOf(principal);
  if (user !== undefined) return `user/${user.userId}`;
  return principal.kind === 'robot' ? `robot/${principal.robotId}` : 'nobody';
}

/** Whether who sees the one sees all of the other. */
function isWithin(inner: AuditScope, outer: AuditScope): boolean {
  if (outer.kind === 'everything') return true;
  if (inner.kind === 'everything') return false;
  if (outer.kind === 'every project') return true;
  return inner.kind === 'projects' && inner.projectIds.every((id) => outer.projectIds.includes(id));
}
