import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { scrubParameters } from '../../domain/garbage-collection/parameters.ts';
import type { Access } from './access.ts';
import { begins } from './answer-forms.ts';
import { operation } from './operation.ts';
import { readParameters, type SystemJobPorts, startedJob, startManually } from './system-job.ts';

/** Looks whether what is stored is sound; ours, beyond Harbor. How far it is tells the job. */
export function scrubRoutes(api: FastifyInstance, ports: SystemJobPorts, access: Access): void {
  operation(
    api,
    {
      id: 'startScrub',
      tag: 'scrub',
      method: 'POST',
      path: '/system/scrub',
      summary: 'Begins to read all that is stored, at a bounded rate, and compares it with its digests.',
      body: z.record(z.string(), z.unknown()),
      bodyIsOptional: true,
      answer: begins(startedJob),
    },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, 'garbage-collection:create');
      const parameters = readParameters(scrubParameters, await body());
      return startManually(ports, 'SCRUB', parameters, metadata, (jobId) => `/api/v2.0/jobs/${jobId}`);
    },
  );
}
