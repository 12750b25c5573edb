import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Access } from '../access.ts';
import { shows } from '../answer-forms.ts';
import { operation } from '../operation.ts';
import { flag } from '../parameter-forms.ts';
import type { RepositoryPorts } from '../repository-ports.ts';

const count = z.int();
const summary = z
  .object({
    critical_cnt: count,
    high_cnt: count,
    medium_cnt: count,
    low_cnt: count,
    none_cnt: count,
    unknown_cnt: count,
    total_vuls: count,
    fixable_cnt: count,
    scanned_cnt: count.describe('Artifacts that were scanned'),
    total_artifact: count,
    dangerous_cves: z.array(z.never()).optional(),
    dangerous_artifacts: z.array(z.never()).optional(),
  })
  .meta({ id: 'SecuritySummary' });

/** Harbor's summary of what scanners found: nothing, since nothing is scanned yet, in so many artifacts. */
export function securitySummaryRoutes(
  api: FastifyInstance,
  { contents }: Pick<RepositoryPorts, 'contents'>,
  access: Access,
): void {
  operation(
    api,
    {
      id: 'getSecuritySummary',
      tag: 'securityhub',
      method: 'GET',
      path: '/security/summary',
      summary: 'What was found in all artifacts, and in how many of them.',
      query: { with_dangerous_cve: flag, with_dangerous_artifact: flag },
      answer: shows(summary),
    },
    async ({ request, query }) => {
      await access.inSystem(request, 'security-hub:read');
      return {
        ...{ critical_cnt: 0, high_cnt: 0, medium_cnt: 0, low_cnt: 0, none_cnt: 0, unknown_cnt: 0 },
        ...{ total_vuls: 0, fixable_cnt: 0, scanned_cnt: 0 },
        total_artifact: await contents.countArtifacts(),
        ...(query.with_dangerous_cve === true && { dangerous_cves: [] }),
        ...(query.with_dangerous_artifact === true && { dangerous_artifacts: [] }),
      };
    },
  );
}
