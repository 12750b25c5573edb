import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { mediaTypes } from '../../domain/artifact/manifest.ts';
import { type Digest, parseDigest } from '../../domain/digest.ts';
import { RequestRefused } from '../errors.ts';
import type { Permit } from './access.ts';
import { readDigest } from './paths.ts';

/** The most referrers on a page. */
const maxPage = 1000;
/** Clients read no more than 4 MiB of an index; this leaves room for what stands around the descriptors. Bytes. */
const maxPageBytes = 4 * 1024 * 1024 - 16 * 1024;

/** The most types that one request may filter by. */
const maxTypes = 16;

const filter = z.object({
  artifactType: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .transform((types) => [...new Set(types === undefined ? [] : [types].flat())])
    .refine(
      (types) =>
        types.length <= maxTypes && types.every((type) => type.length <= 255 && !type.includes('\0')),
    ),
  n: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .refine((n) => n > 0)
    .optional(),
  // The last digest of the page before; a cursor is a place in the order, also where that referrer has gone.
  last: z
    .string()
    .refine((last) => parseDigest(last) !== undefined)
    .optional(),
});

export interface ReferrerPorts {
  readonly permit: Permit;
  listReferrers(
    repository: string,
    page: {
      readonly subject: Digest;
      readonly artifactTypes: readonly string[];
      readonly after: string;
      readonly limit: number;
      readonly maxBytes: number;
    },
  ): Promise<{
    readonly entries: readonly { readonly digest: string; readonly descriptor: string }[];
    readonly more: boolean;
  }>;
}

interface ReferrersPath {
  Params: { name: string; digest: string };
}

/** distribution-spec, "Listing Referrers" (end-12a, end-12b). Never 404: clients take that for "no such API". */
export function referrerRoutes(app: FastifyInstance, { permit, listReferrers }: ReferrerPorts): void {
  app.get<ReferrersPath>('/v2/:name/referrers/:digest', async (request, reply) => {
    const { repository } = await permit(request, 'pull');
    const subject = readDigest(request.params.digest);
    const { artifactType, n = maxPage, last = '' } = readFilter(request.query);
    const { entries, more } = await listReferrers(repository, {
      subject,
      artifactTypes: artifactType,
      after: last,
      limit: Math.min(n, maxPage),
      maxBytes: maxPageBytes,
    });
    if (artifactType.length > 0) reply.header('oci-filters-applied', 'artifactType');
    if (more) {
      const next = new URLSearchParams([
        ...artifactType.map((type): [string, string] => ['artifactType', type]),
        ['n', String(n)],
        ['last', entries.at(-1)?.digest ?? ''],
      ]);
      reply.header('link', `</v2/${repository}/referrers/${subject}?${next}>; rel="next"`);
    }
    const manifests = entries.map(({ descriptor }) => descriptor).join(',');
    // Put together from what is JSON already, and as bytes: Fastify would add a charset to the media type.
    const index = `{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":[${manifests}]}`;
    return reply.header('content-type', mediaTypes.ociIndex).send(Buffer.from(index));
  });
}

function readFilter(query: unknown) {
  const parsed = filter.safeParse(query);
  if (parsed.success) return parsed.data;
  const messages: Record<string, string> = {
    artifactType: `artifactType is a media type of at most 255 characters, given at most ${maxTypes} times`,
    n: 'n is a whole number of at least 1, given once',
    last: 'last is the digest of the last referrer of the page before, given once',
  };
  const wrong = String(parsed.error.issues[0]?.path[0]);
  const code = wrong === 'n' ? 'PAGINATION_NUMBER_INVALID' : 'UNSUPPORTED';
  throw new RequestRefused({ status: 400, code, message: messages[wrong] ?? 'the query is malformed' });
}
