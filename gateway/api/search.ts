import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { authorize } from '../../domain/access/authorize.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { Visible } from '../../projections/projects/queries.ts';
import { type Hit, type SearchKind, searchKinds } from '../../projections/search/queries.ts';
import type { Access } from './access.ts';
import { shows } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { operation } from './operation.ts';
import { limit, limitOr, required, text } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { type Sight, sightOf } from './sight.ts';

export interface SearchPorts {
  /** Up to `limit` hits of one kind among the projects that may be seen, the best first. */
  searchFor(kind: SearchKind, text: string, visible: Visible, limit: number): Promise<readonly Hit[]>;
}

const maxLength = 255;

const hit = z
  .object({
    kind: z.enum(searchKinds),
    score: z.int().describe('0 to 100: how well it fits'),
    project: z.string().nullable().describe('Null for a label of the system'),
    repository: z.string().nullable().describe('The full name'),
    tag: z.string().nullable(),
    digest: z.string().nullable(),
    text: z.string().describe('What was found'),
  })
  .meta({ id: 'SearchHit' });

const hits = z
  .object({
    hits: z.array(hit).describe('The best first'),
    facets: z.array(
      z.object({
        kind: z.enum(searchKinds),
        count: z.int(),
        more: z.boolean().describe('Whether there are more than were counted'),
      }),
    ),
  })
  .meta({ id: 'SearchHits' });

/** The search for anything by its name, beyond Harbor's. */
export function searchRoutes(api: FastifyInstance, ports: ApiPorts & SearchPorts, access: Access): void {
  operation(
    api,
    {
      id: 'searchAll',
      tag: 'search',
      method: 'GET',
      path: '/search/all',
      summary:
        'Projects, repositories and labels by a part of their names, tags, digests and annotations by their beginning.',
      query: {
        q: required(text),
        kinds: text.meta({
          parameter: { type: 'string', description: `Of ${searchKinds.join(', ')}, with commas between` },
        }),
        limit,
      },
      answer: shows(hits),
    },
    async ({ request, query: { q, kinds, limit: asked } }) => {
      const { principal } = await access.anyone(request);
      const limit = limitOr(asked);
      const sought = q.trim();
      if (sought === '' || sought.length > maxLength)
        throw badRequest(`q in query has 1 to ${maxLength} characters`);
      const sight = await sightOf(ports, principal);
      const found = await Promise.all(
        kindsIn(kinds).map(async (kind) => ({
          kind,
          // One more tells whether there are more.
          all: await ports.searchFor(kind, sought, seenOf(kind, principal, sight), limit + 1),
        })),
      );
      return {
        hits: found
          .flatMap(({ all }) => all.slice(0, limit))
          .sort((a, b) => b.score - a.score)
          .slice(0, limit),
        facets: found.map(({ kind, all }) => ({
          kind,
          count: Math.min(all.length, limit),
          more: all.length > limit,
        })),
      };
    },
  );
}

/** Who sees a project sees what is in it, but for its labels, which are not for each role. */
function seenOf(kind: SearchKind, principal: Principal, { visible, roles }: Sight): Visible {
  if (kind !== 'label' || visible.kind === 'all') return visible;
  const maySee = (projectId: number): boolean => {
    const project = { name: '', projectId, public: false };
    return authorize(principal, 'label:list', {
      kind: 'project',
      project,
      roles: roles.get(projectId) ?? [],
    });
  };
  return { ...visible, projectIds: visible.projectIds.filter(maySee) };
}

/** @throws RequestRefused 400 */
function kindsIn(written: string | undefined): readonly SearchKind[] {
  if (written === undefined) return searchKinds;
  const asked = written.split(',').map((each) => each.trim());
  const unknown = asked.find((each) => !searchKinds.some((kind) => kind === each));
  if (unknown !== undefined)
    throw badRequest(`kinds in query are of ${searchKinds.join(', ')}, and not ${JSON.stringify(unknown)}`);
  return searchKinds.filter((kind) => asked.includes(kind));
}
