import type { FastifyInstance } from 'fastify';
import { RequestRefused } from '../errors.ts';
import type { Permit } from './access.ts';
import { type Page, pageOf, readPage } from './paging.ts';

export interface TagPorts {
  readonly permit: Permit;
  repositoryExists(name: string): Promise<boolean>;
  /** Up to `limit` tags after `last`, in byte order. */
  listTags(repository: string, page: Page): Promise<string[]>;
}

/** distribution-spec, "Listing Tags" (end-8a, end-8b). */
export function tagRoutes(app: FastifyInstance, { permit, repositoryExists, listTags }: TagPorts): void {
  app.get('/v2/:name/tags/list', async (request, reply) => {
    const { repository } = await permit(request, 'pull');
    const page = readPage(request.query, 'TAG_INVALID');
    const { entries: tags, link } = await pageOf(page, request, `/v2/${repository}/tags/list`, (of) =>
      listTags(repository, of),
    );
    if (tags.length === 0 && !(await repositoryExists(repository))) {
      throw repositoryUnknown(repository);
    }
    if (link !== undefined) reply.header('link', link);
    return reply.send({ name: repository, tags });
  });
}

export const repositoryUnknown = (repository: string): RequestRefused =>
  new RequestRefused({
    status: 404,
    code: 'NAME_UNKNOWN',
    message: `repository ${repository} is not known to the registry`,
  });
