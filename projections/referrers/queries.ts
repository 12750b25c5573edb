import { type Kysely, sql } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import type { ReferrersDatabase } from './projection.ts';

export interface ReferrersPage {
  readonly subject: Digest;
  /** Only those with one of these types; none for all. */
  readonly artifactTypes: readonly string[];
  /** Only those after this digest, in byte order; '' for the first page. */
  readonly after: string;
  /** The most that the page may hold. */
  readonly limit: number;
  /** The most bytes of descriptors that the page may hold; a page holds at least one. */
  readonly maxBytes: number;
}

/** A page of descriptors as JSON text, and whether more come after them. */
export async function listReferrers(
  db: Kysely<ReferrersDatabase>,
  repository: string,
  { subject, artifactTypes, after, limit, maxBytes }: ReferrersPage,
): Promise<{ readonly entries: readonly { digest: string; descriptor: string }[]; readonly more: boolean }> {
  // Sizes first: one descriptor can have megabytes, and the rows beyond the page are not to be read.
  const candidates = await db
    .selectFrom('referrers')
    .select(['digest', 'bytes'])
    .where('repository', '=', repository)
    .where('subject', '=', subject)
    .where('digest', '>', after)
    .$if(artifactTypes.length > 0, (query) =>
      query.where('artifact_type', '=', sql<string>`ANY (${[...artifactTypes]})`),
    )
    .orderBy('digest')
    .limit(limit + 1)
    .execute();
  const shown: string[] = [];
  let held = 0;
  for (const { digest, bytes } of candidates.slice(0, limit)) {
    if (shown.length > 0 && held + bytes > maxBytes) break;
    shown.push(digest);
    held += bytes;
  }
  if (shown.length === 0) return { entries: [], more: false };
  const entries = await db
    .selectFrom('referrers')
    .select(['digest', 'descriptor'])
    .where('repository', '=', repository)
    .where('subject', '=', subject)
    .where('digest', '=', sql<string>`ANY (${shown})`)
    .orderBy('digest')
    .execute();
  return { entries, more: shown.length < candidates.length };
}
