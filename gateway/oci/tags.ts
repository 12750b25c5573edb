import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { RequestRefused } from '../errors.ts';
import type { Permit } from './access.ts';

/** More than this many tags come in pages, whatever the client asks for. */
const maxPage = 10_000;

const page = z.object({
  n: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .optional(),
  // Any place in the order, also between tags, but PostgreSQL takes no text with a NUL.
  last: z
    .string()
    .max(128)
    .refine((last) => !last.includes('\0'))
    .optional(),
});

export interface TagPorts {
  readonly permit: Permit;
  repositoryExists(name: string): Promise<boolean>;
  /** Up to `limit` tags after `last`, in byte order. */
  listTags(repository: string, page: { readonly last: string; readonly limit: number }): Promise<string[]>;
}

/** distribution-spec, "Listing Tags" (end-8a, end-8b). */
export function tagRoutes(app: FastifyInstance, { permit, repositoryExists, listTags }: TagPorts): void {
  app.get('/v2/:name/tags/list', async (request, reply) => {
    const { repository } = await permit(request, 'pull');
    const { n = maxPage, last = '' } = readPage(request.query);
    const limit = Math.min(n, maxPage);
    // One more than is shown tells whether there is a next page.
    const found = limit === 0 ? [] : await listTags(repository, { last, limit: limit + 1 });
    if (found.length === 0 && !(await repositoryExists(repository))) {
      throw repositoryUnknown(repository);
    }
    const tags = found.slice(0, limit);
    if (found.length > limit) {
      const next = new URLSearchParams({ n: String(limit), last: tags.at(-1) ?? '' });
      reply.header('link', `</v2/${repository}/tags/list?${next}>; rel="next"`);
    }
    return reply.send({ name: repository, tags });
  });
}

export const repositoryUnknown = (repository: string): RequestRefused =>
  new RequestRefused({
    status: 404,
    code: 'NAME_UNKNOWN',
    message: `repository ${repository} is not known to the registry`,
  });

function readPage(query: unknown) {
  const parsed = page.safeParse(query);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues[0]?.path[0];
  throw wrong === 'n'
    ? new RequestRefused({
        status: 400,
        code: 'PAGINATION_NUMBER_INVALID',
        message: 'n is a whole number of at least 0, given once',
      })
    : new RequestRefused({ status: 400, code: 'TAG_INVALID', message: 'last is a tag, given once' });
}
