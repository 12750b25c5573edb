import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Page, pageOf, readPage } from './paging.ts';

export interface CatalogPorts {
  /** Resolves where the request may list every repository. @throws RequestRefused 401 or 403. */
  permitCatalog(request: FastifyRequest): Promise<void>;
  /** Up to `limit` repositories that hold something, after `last`, in byte order. */
  listRepositories(page: Page): Promise<string[]>;
}

/** `GET /v2/_catalog`, which the specification leaves to registries, as Harbor and distribution answer it. */
export function catalogRoutes(app: FastifyInstance, { permitCatalog, listRepositories }: CatalogPorts): void {
  app.get('/v2/_catalog', async (request, reply) => {
    await permitCatalog(request);
    const page = readPage(request.query, 'NAME_INVALID');
    const { entries: repositories, link } = await pageOf(page, request, '/v2/_catalog', listRepositories);
    if (link !== undefined) reply.header('link', link);
    return reply.send({ repositories });
  });
}
