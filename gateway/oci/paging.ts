import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { RequestRefused } from '../errors.ts';

/** More than this many entries come in pages, whatever the client asks for. */
const maxPage = 10_000;
/** What other registries read `n` into. */
const maxNumber = 2n ** 63n - 1n;

const asked = z.object({
  n: z
    .string()
    .refine((n) => /^\d{1,19}$/.test(n) && BigInt(n) <= maxNumber)
    .transform(Number)
    .optional(),
  // Any place in the order, also between two names, but PostgreSQL takes no text with a NUL.
  last: z
    .string()
    .max(255)
    .refine((last) => !last.includes('\0'))
    .optional(),
});

/** A page of a list that is in byte order: up to `limit` entries after the place `last`, which need not be one. */
export interface Page {
  readonly last: string;
  readonly limit: number;
}

export interface PageOf {
  readonly entries: readonly string[];
  /** The value of the `Link` header (RFC 8288); undefined on the last page. */
  readonly link: string | undefined;
}

/**
 * distribution-spec, "Listing Tags" (end-8b): reads `n` and `last`.
 * @throws RequestRefused 400, with `lastInvalid` for a `last` that cannot be a place among the entries.
 */
export function readPage(query: unknown, lastInvalid: 'TAG_INVALID' | 'NAME_INVALID'): Page {
  const parsed = asked.safeParse(query);
  if (parsed.success) {
    const { n = maxPage, last = '' } = parsed.data;
    return { last, limit: Math.min(n, maxPage) };
  }
  throw parsed.error.issues[0]?.path[0] === 'n'
    ? new RequestRefused({
        status: 400,
        code: 'PAGINATION_NUMBER_INVALID',
        message: 'n is a whole number of at least 0, given once',
      })
    : new RequestRefused({
        status: 400,
        code: lastInvalid,
        message: 'last is a place in the list of at most 255 characters, given once',
      });
}

/** Reads the page by `list`, and links the next one at `path` with all that was asked besides. */
export async function pageOf(
  { last, limit }: Page,
  { originalUrl }: FastifyRequest,
  path: string,
  list: (page: Page) => Promise<readonly string[]>,
): Promise<PageOf> {
  if (limit === 0) return { entries: [], link: undefined };
  // One more than is shown tells whether there is a next page.
  const found = await list({ last, limit: limit + 1 });
  const entries = found.slice(0, limit);
  if (found.length <= limit) return { entries, link: undefined };
  const at = originalUrl.indexOf('?');
  const next = new URLSearchParams(at === -1 ? '' : originalUrl.slice(at));
  next.set('n', String(limit));
  next.set('last', entries.at(-1) ?? '');
  return { entries, link: `<${path}?${next}>; rel="next"` };
}
