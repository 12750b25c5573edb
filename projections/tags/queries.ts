import type { Kysely } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { among, type Place, those } from '../paging.ts';
import type { TagsDatabase } from './projection.ts';

/** The digest that the tag points at. */
export async function findTag(
  db: Kysely<TagsDatabase>,
  repository: string,
  tag: string,
): Promise<Digest | undefined> {
  const row = await db
    .selectFrom('tags')
    .select('digest')
    .where('repository', '=', repository)
    .where('tag', '=', tag)
    .executeTakeFirst();
  return row?.digest as Digest | undefined;
}

/** Where those of `tags` point that point at something. */
export async function findDigests(
  db: Kysely<TagsDatabase>,
  repository: string,
  tags: readonly string[],
): Promise<ReadonlyMap<string, Digest>> {
  if (tags.length === 0) return new Map();
  const rows = await db
    .selectFrom('tags')
    .select(['tag', 'digest'])
    .where('repository', '=', repository)
    .where('tag', 'in', tags)
    .execute();
  return new Map(rows.map(({ tag, digest }) => [tag, digest as Digest]));
}

/** Up to `limit` tags after `last`, which need not exist, in byte order. */
export async function listTags(
  db: Kysely<TagsDatabase>,
  repository: string,
  { last, limit }: { readonly last: string; readonly limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom('tags')
    .select('tag')
    .where('repository', '=', repository)
    .where('tag', '>', last)
    .orderBy('tag')
    .limit(limit)
    .execute();
  return rows.map(({ tag }) => tag);
}

/** Up to `limit` of the tags that point at `digest`. */
export async function tagsOf(
  db: Kysely<TagsDatabase>,
  repository: string,
  digest: Digest,
  limit: number,
): Promise<string[]> {
  const rows = await db
    .selectFrom('tags')
    .select('tag')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .limit(limit)
    .execute();
  return rows.map(({ tag }) => tag);
}

/** Those of `manifests` that a tag points at. */
export async function findTagged<At extends Place>(
  db: Kysely<TagsDatabase>,
  manifests: readonly At[],
): Promise<At[]> {
  if (manifests.length === 0) return [];
  const rows = await db
    .selectFrom('tags')
    .select(['repository', 'digest'])
    .distinct()
    .where(among(manifests))
    .execute();
  return those(manifests, rows);
}
