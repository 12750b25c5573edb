import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { authorize } from '../../domain/access/authorize.ts';
import { parseDigest } from '../../domain/digest.ts';
import { projectOf } from '../../domain/repository.ts';
import type { listBlobReferences } from '../../projections/blobs/references.ts';
import {
  type explainUsage,
  type HeldPlace,
  reasons,
  type StorageUsage,
  type usageBy,
  type usageByArtifact,
} from '../../projections/storage/explanation.ts';
import type { Access } from './access.ts';
import { listsAfter, time } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { operation } from './operation.ts';
import { limit, limitOr, required, text } from './parameter-forms.ts';
import { cursorOf, textsIn } from './place-cursor.ts';
import type { ApiPorts, Query } from './ports.ts';
import { sightOf } from './sight.ts';

export interface StoragePorts {
  readonly explainUsage: Query<typeof explainUsage>;
  readonly usageBy: Query<typeof usageBy>;
  readonly usageByArtifact: Query<typeof usageByArtifact>;
  readonly listBlobReferences: Query<typeof listBlobReferences>;
  /** Resolves when what is stored is shown as it is now. */
  reached(): Promise<void>;
}

const partly = 'Rows of one name in several answers add up.';
const after = text.meta({
  parameter: { type: 'string', description: 'Where to go on, as the Link of an answer says' },
});

const explained = z
  .object({
    repository: z.string(),
    reason: z
      .enum(reasons)
      .describe(
        'A manifest; a layer or config that a manifest needs; what other repositories of the project hold too, counted in the first one; a blob that no manifest needs; or what goes unless something needs it soon',
      ),
    objects: z.int(),
    bytes: z.int(),
  })
  .meta({ id: 'ExplainedBytes' });

const usage = z
  .object({
    name: z.string().describe('Of the project or repository, or the digest of the artifact'),
    objects: z.int().describe('How many blobs and manifests'),
    logical: z.int().describe('Their bytes, each counted once'),
    unique: z
      .int()
      .describe('Of those, what nobody else holds: in the project, or for administrators anywhere'),
    shared: z.int().describe('The others'),
    reclaimable: z.int().describe('Of what nobody else holds, what nothing needs'),
    last_pull: time.nullable().describe('Of an artifact; null where it was never pulled'),
  })
  .meta({ id: 'StorageUsage' });

const reference = z
  .object({
    repository: z.string(),
    manifest: z.string().nullable().describe('The digest of one that needs it; null where none does'),
    condemned: z.boolean().describe('Whether it goes there unless something needs it soon'),
  })
  .meta({ id: 'BlobReference' });

const tag = 'storage';

/** What is stored, why, and for whom. */
export function storageRoutes(
  api: FastifyInstance,
  ports: Pick<ApiPorts, 'queries' | 'storage'>,
  access: Access,
): void {
  const { storage } = ports;

  operation(
    api,
    {
      id: 'explainQuota',
      tag: 'quota',
      method: 'GET',
      path: '/quotas/:id/explain',
      summary: `Every byte that counts for a quota, by repository and reason. ${partly}`,
      query: { after },
      answer: listsAfter(explained),
    },
    async ({ request, path: { id: projectId }, query }) => {
      const asker = await access.anyone(request);
      const { project } = await access.inNumberedProject(asker, projectId, 'quota:read');
      await storage.reached();
      const { rows, next } = await storage.explainUsage(project.name, placeIn(query.after, project.name));
      return { rows, total: undefined, next: next && placed(next) };
    },
  );

  operation(
    api,
    {
      id: 'getStorageUsage',
      tag,
      method: 'GET',
      path: '/storage/usage',
      summary: `What the registry stores by project, a project by repository, or a repository by artifact. ${partly}`,
      query: {
        scope: text.meta({
          parameter: { type: 'string', description: '`registry`, or the name of a project or repository' },
        }),
        by: required(
          text.meta({ parameter: { type: 'string', enum: ['project', 'repository', 'artifact'] } }),
        ),
        after,
        limit,
      },
      answer: listsAfter(usage),
    },
    async ({ request, query: { scope = 'registry', by, ...query } }) => {
      switch (by) {
        case 'project': {
          if (scope !== 'registry') throw badRequest('a list by project is of the whole registry');
          await access.inSystem(request, 'quota:list');
          await storage.reached();
          const { rows, next } = await storage.usageBy({ by }, placeIn(query.after));
          return { rows: rows.map(shown), total: undefined, next: next && placed(next) };
        }
        case 'repository': {
          const { project, isEverywhere } = await inProjectOf(scope, request);
          if (project !== scope) throw badRequest('a list by repository is of a project');
          await storage.reached();
          const { rows, next } = await storage.usageBy(
            { by, project, isEverywhere },
            placeIn(query.after, project),
          );
          return { rows: rows.map(shown), total: undefined, next: next && placed(next) };
        }
        case 'artifact': {
          const { project, isEverywhere } = await inProjectOf(scope, request);
          if (project === scope) throw badRequest('a list by artifact is of a repository');
          const [first = ''] = query.after === undefined ? [] : textsIn(query.after, 1);
          const count = limitOr(query.limit);
          await storage.reached();
          // One more tells whether there are more.
          const found = await storage.usageByArtifact({ repository: scope, isEverywhere }, first, count + 1);
          const rows = found.slice(0, count);
          const last = rows.at(-1);
          const next = found.length > count && last !== undefined ? cursorOf([last.name]) : undefined;
          return { rows: rows.map(shown), total: undefined, next };
        }
        default:
          throw badRequest('by in query is one of project, repository, artifact');
      }
    },
  );

  /**
   * Whether what nobody else holds is meant of all projects: to others than administrators that would tell what is in
   * projects that they may not see.
   */
  async function inProjectOf(name: string, request: Parameters<Access['anyone']>[0]) {
    const asker = await access.anyone(request);
    const project = projectOf(name);
    await access.inNamedProject(asker, project, 'quota:read');
    const isEverywhere = authorize(asker.principal, 'quota:list', { kind: 'system' });
    return { project, isEverywhere };
  }

  operation(
    api,
    {
      id: 'listBlobReferences',
      tag,
      method: 'GET',
      path: '/storage/blobs/:digest/references',
      summary:
        'The repositories that hold a blob, of those that the asker may see, and their manifests that need it.',
      query: { after, limit },
      answer: listsAfter(reference),
    },
    async ({ request, path: { digest: written }, query }) => {
      const { principal } = await access.known(request);
      const digest = parseDigest(written);
      if (digest === undefined) throw badRequest(`invalid digest: ${written}`);
      const { visible } = await sightOf(ports, principal);
      const [repository = '', manifest = ''] = query.after === undefined ? [] : textsIn(query.after, 2);
      const count = limitOr(query.limit);
      const found = await storage.listBlobReferences(digest, visible, { repository, manifest }, count + 1);
      const rows = found.slice(0, count);
      const last = rows.at(-1);
      const next =
        found.length > count && last !== undefined
          ? cursorOf([last.repository, last.manifest ?? ''])
          : undefined;
      return { rows, total: undefined, next };
    },
  );
}

const shown = ({ logical, unique, lastPull, ...rest }: StorageUsage) => ({
  ...rest,
  logical,
  unique,
  shared: logical - unique,
  last_pull: lastPull,
});

const placed = ({ project, repository, kind, digest }: HeldPlace): string =>
  cursorOf([project, repository, kind, digest]);

/** @throws RequestRefused 400 for what no answer about the same project has given. */
function placeIn(cursor: string | undefined, of?: string): HeldPlace | undefined {
  if (cursor === undefined) return undefined;
  const [project = '', repository = '', kind = '', digest = ''] = textsIn(cursor, 4);
  if ((kind !== 'blob' && kind !== 'manifest') || (of !== undefined && project !== of))
    throw badRequest('after in query is what the Link of an answer says');
  return { project, repository, kind, digest };
}
