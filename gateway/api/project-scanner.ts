import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Permission } from '../../domain/access/permission.ts';
import { scannerKey } from '../../domain/project/metadata.ts';
import type { Access } from './access.ts';
import { lists, nothing } from './answer-forms.ts';
import { badRequest, unauthorized } from './faults.ts';
import { operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';

const maxLength = 255;

/** Harbor's `project` operations on the scanner of a project. There are no scanners yet. */
export function projectScannerRoutes(
  api: FastifyInstance,
  { commands, reached }: ApiPorts,
  access: Access,
): void {
  const tag = 'project';
  const scanner = '/projects/:project_name_or_id/scanner';

  /** Not for everybody, in public projects neither. */
  async function inProject(request: Parameters<Access['inProject']>[0], permission: Permission) {
    const asker = await access.inProject(request, permission);
    if (asker.principal.kind === 'anonymous') throw unauthorized();
    return asker;
  }

  operation(
    api,
    {
      id: 'getScannerOfProject',
      tag,
      method: 'GET',
      path: scanner,
      summary: 'The scanner of a project; without a body, since there is none yet.',
      answer: nothing,
    },
    async ({ request }) => {
      await inProject(request, 'scanner:read');
    },
  );

  operation(
    api,
    {
      id: 'setScannerOfProject',
      tag,
      method: 'PUT',
      path: scanner,
      summary: 'Chooses a scanner for a project, whether or not there is one of that name.',
      body: z.object({ uuid: z.string() }),
      answer: nothing,
    },
    async ({ request, body }) => {
      const { project, metadata } = await inProject(request, 'scanner:create');
      const { uuid } = await body();
      if (uuid === '' || uuid.length > maxLength || /\p{C}/u.test(uuid))
        throw badRequest(`the uuid of a scanner has 1 to ${maxLength} visible characters`);
      const { name, projectId } = project;
      const change = { name, projectId, metadata: { [scannerKey]: uuid } };
      await reached(await commands.changeProject(change, metadata));
    },
  );

  operation(
    api,
    {
      id: 'listScannerCandidatesOfProject',
      tag,
      method: 'GET',
      path: `${scanner}/candidates`,
      summary: 'The scanners that a project can choose; there is none yet.',
      answer: lists(z.never()),
    },
    async ({ request }) => {
      await inProject(request, 'scanner:create');
      return { rows: [], total: 0 };
    },
  );
}
