import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Count } from '../../projections/repositories/queries.ts';
import type { Access } from './access.ts';
import { shows } from './answer-forms.ts';
import { operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';

export interface StatisticsPorts {
  /** Of all projects, or of those with these numbers. */
  countContents(projectIds?: readonly number[]): Promise<{ readonly public: Count; readonly private: Count }>;
  /** The bytes of all blobs, each counted once. */
  storedBytes(): Promise<number>;
}

/** Harbor's `Statistic`. */
const statistic = z
  .object({
    public_project_count: z.int(),
    public_repo_count: z.int(),
    private_project_count: z
      .int()
      .describe('Of those that the asker is a member of; all, for administrators'),
    private_repo_count: z.int(),
    total_project_count: z.int().describe('0 for who is no administrator, as the two that follow'),
    total_repo_count: z.int(),
    total_storage_consumption: z.int().describe('Bytes of all blobs, each counted once'),
  })
  .meta({ id: 'Statistic' });

/** Harbor's `statistic` operation. */
export function statisticRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  operation(
    api,
    {
      id: 'getStatistic',
      tag: 'statistic',
      method: 'GET',
      path: '/statistics',
      summary: 'How many projects and repositories there are, and for administrators how much is stored.',
      answer: shows(statistic),
    },
    async ({ request }) => {
      const { principal } = await access.known(request);
      const isAdministrator = principal.kind === 'user' && principal.administrator;
      const [all, own, bytes] = await Promise.all([
        ports.countContents(),
        isAdministrator ? undefined : ownOf(principal.kind === 'user' ? principal.userId : undefined),
        isAdministrator ? ports.storedBytes() : 0,
      ]);
      const seen = own ?? all.private;
      return {
        public_project_count: all.public.projects,
        public_repo_count: all.public.repositories,
        private_project_count: seen.projects,
        private_repo_count: seen.repositories,
        total_project_count: isAdministrator ? all.public.projects + all.private.projects : 0,
        total_repo_count: isAdministrator ? all.public.repositories + all.private.repositories : 0,
        total_storage_consumption: bytes,
      };
    },
  );

  /** What is private where the user is a member. */
  async function ownOf(userId: number | undefined): Promise<Count> {
    if (userId === undefined) return { projects: 0, repositories: 0 };
    const memberships = await ports.queries.membershipsOf(userId);
    const projectIds = [...new Set(memberships.map(({ projectId }) => projectId))];
    return (await ports.countContents(projectIds)).private;
  }
}
