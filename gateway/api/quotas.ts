import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { setQuota } from '../../commands/set-quota.ts';
import { unlimited } from '../../domain/quota/decider.ts';
import type { findQuota, listQuotas, Quota } from '../../projections/quotas/queries.ts';
import type { Access } from './access.ts';
import { lists, nothing, shows, time } from './answer-forms.ts';
import { badRequest, notFound } from './faults.ts';
import { operation } from './operation.ts';
import { text } from './parameter-forms.ts';
import type { Command, Query } from './ports.ts';

export interface QuotaPorts {
  readonly findQuota: Query<typeof findQuota>;
  readonly listQuotas: Query<typeof listQuotas>;
  readonly setQuota: Command<typeof setQuota>;
  /** Resolves when quotas and what they count are shown as they were at the position, or are now. */
  reached(position?: bigint): Promise<void>;
}

/** Harbor's `ResourceList`, of which there is one resource. */
export const resources = z.object({ storage: z.int().describe('In bytes, -1 for any number') });

/** Harbor's `Quota`. */
const quotaAnswer = z
  .object({
    id: z.int().describe('That of its project'),
    ref: z.object({ id: z.int(), name: z.string(), owner_name: z.string() }),
    hard: resources,
    used: resources,
    creation_time: time,
    update_time: time,
  })
  .meta({ id: 'Quota' });

/** Harbor's `QuotaUpdateReq`. */
const quotaForm = z.object({ hard: z.object({ storage: z.int().nullish() }) }).meta({ id: 'QuotaUpdateReq' });

const tag = 'quota';
const path = '/quotas/:id';

/** Harbor's `quota` operations. */
export function quotaRoutes(api: FastifyInstance, quotas: QuotaPorts, access: Access): void {
  async function find(projectId: number): Promise<Quota> {
    await quotas.reached();
    const quota = await quotas.findQuota(projectId);
    if (quota === undefined) throw notFound(`quota ${projectId} not found`);
    return quota;
  }

  operation(
    api,
    {
      id: 'listQuotas',
      tag,
      method: 'GET',
      path: '/quotas',
      summary: 'What each project may hold, and what it does.',
      query: { reference: text, reference_id: text },
      answer: lists(quotaAnswer),
    },
    async ({ request, listing, query: { reference, reference_id: referenceId } }) => {
      await access.inSystem(request, 'quota:list');
      await quotas.reached();
      // Nothing else has a quota.
      if (reference !== undefined && reference !== 'project') return { rows: [], total: 0 };
      const of =
        referenceId === undefined ? [] : [{ key: 'reference_id', kind: 'is', value: referenceId } as const];
      const { rows, total } = await quotas.listQuotas({ ...listing, filters: [...listing.filters, ...of] });
      return { rows: rows.map(shown), total };
    },
  );

  operation(
    api,
    {
      id: 'getQuota',
      tag,
      method: 'GET',
      path,
      summary: 'What a project may hold, and what it does.',
      answer: shows(quotaAnswer),
    },
    async ({ request, path: { id: quotaId } }) => {
      await access.inSystem(request, 'quota:read');
      return shown(await find(quotaId));
    },
  );

  operation(
    api,
    {
      id: 'updateQuota',
      tag,
      method: 'PUT',
      path,
      summary:
        'Lets a project hold more or less; where that is less than it holds, it only takes in nothing more.',
      body: quotaForm,
      answer: nothing,
    },
    async ({ request, path: { id: quotaId }, body }) => {
      const { metadata } = await access.inSystem(request, 'quota:update');
      const { projectId, project } = await find(quotaId);
      const storage = (await body()).hard.storage ?? 0;
      if (storage !== unlimited && storage < 1)
        throw badRequest(
          `invalid hard limit of storage: ${storage}; it is -1 for none, or more than 0 bytes`,
        );
      await quotas.reached(await quotas.setQuota({ projectId, project, storage }, metadata));
    },
  );
}

const shown = ({ projectId, project, owner, storage, used, createdAt, updatedAt }: Quota) => ({
  id: projectId,
  ref: { id: projectId, name: project, owner_name: owner },
  hard: { storage },
  used: { storage: used },
  creation_time: createdAt,
  update_time: updatedAt,
});
