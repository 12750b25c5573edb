import { type RawBuilder, sql } from 'kysely';
import { type AnyProjection, schemaOf, type ViewDatabase } from '../../infra/database/projection.ts';
import { annotations } from '../annotations/projection.ts';
import { artifacts } from '../artifacts/projection.ts';
import { labels } from '../labels/projection.ts';
import { escaped } from '../like.ts';
import { projects } from '../projects/projection.ts';
import { type Visible, visibleProjects } from '../projects/queries.ts';
import { repositories } from '../repositories/projection.ts';

/** The kinds of things that a search finds, in the order in which they are shown where they fit as well. */
export const searchKinds = ['project', 'repository', 'tag', 'digest', 'label', 'annotation'] as const;
export type SearchKind = (typeof searchKinds)[number];

export interface Hit {
  readonly kind: SearchKind;
  /** 0 to 100: 100 for the very name, less for one that begins with what was looked for, or holds it. */
  readonly score: number;
  /** Null for a label of the system. */
  readonly project: string | null;
  /** The full name. */
  readonly repository: string | null;
  readonly tag: string | null;
  readonly digest: string | null;
  /** What was found of it: `key=value` of an annotation, the name of anything else. */
  readonly text: string;
}

/**
 * How many rows are looked at before it is asked who may see them: among more that begin alike, one who sees few
 * projects may miss some of his own.
 */
const maxCandidates = 10_000;
/** Of the repositories whose names hold what stands before a colon, and of the tags in each. */
const [maxRepositories, maxOfEach] = [1000, 100];

/** Up to `limit` hits of one kind among the projects that may be seen, the best first. */
export function searchFor(
  db: ViewDatabase,
  kind: SearchKind,
  text: string,
  visible: Visible,
  limit: number,
): Promise<readonly Hit[]> {
  const query = queries[kind](text);
  if (query === undefined) return Promise.resolve([]);
  return sql<Hit>`
    WITH seen AS (SELECT name FROM ${tableOf(projects, 'projects')} WHERE ${visibleProjects(visible)}),
    found AS (${query})
    SELECT ${kind} AS kind, found.* FROM found LEFT JOIN seen ON seen.name = found.project
    WHERE seen.name IS NOT NULL OR found.project IS NULL
    ORDER BY score DESC, length(found.text), found.text, found.repository
    LIMIT ${limit}`
    .execute(db)
    .then(({ rows }) => rows);
}

const queries: { readonly [Kind in SearchKind]: (text: string) => RawBuilder<unknown> | undefined } = {
  project: (text) => sql`
    SELECT ${scoreOf(sql.ref('name'), text)} AS score, name AS project, NULL AS repository, NULL AS tag,
      NULL AS digest, name AS text
    FROM ${tableOf(projects, 'projects')} WHERE ${holds(sql.ref('name'), text)}`,

  repository: (text) => sql`
    SELECT ${scoreOf(pathIn(sql.ref('name')), text)} AS score, project, name AS repository, NULL AS tag,
      NULL AS digest, name AS text
    FROM ${tableOf(repositories, 'repositories')} WHERE ${holds(sql.ref('name'), text)}`,

  tag(text) {
    const colon = text.lastIndexOf(':');
    const [repository, tag] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
    if (colon === 0 || tag === '') return undefined;
    const listed = tableOf(repositories, 'listed_tags');
    const candidates =
      colon === -1
        ? sql`SELECT repository, tag, digest FROM ${listed}
            WHERE ${beginsWith(sql.ref('tag'), tag)} ORDER BY tag LIMIT ${maxCandidates}`
        : sql`SELECT t.* FROM (
            SELECT name FROM ${tableOf(repositories, 'repositories')}
            WHERE ${holds(sql.ref('name'), repository)} ORDER BY length(name), name LIMIT ${maxRepositories}
          ) r, LATERAL (
            SELECT repository, tag, digest FROM ${listed}
            WHERE repository = r.name AND ${beginsWith(sql.ref('tag'), tag)} ORDER BY tag LIMIT ${maxOfEach}
          ) t`;
    return sql`
      SELECT ${scoreOf(sql.ref('tag'), tag)} AS score, ${projectOf(sql.ref('repository'))} AS project, repository,
        tag, digest, tag AS text
      FROM (${candidates}) AS candidates`;
  },

  digest(text) {
    const hex = /^(?:sha256:)?([0-9a-f]{6,64})$/.exec(text)?.[1];
    if (hex === undefined) return undefined;
    const digest = `sha256:${hex}`;
    return sql`
      SELECT ${scoreOf(sql.ref('digest'), digest)} AS score, ${projectOf(sql.ref('repository'))} AS project,
        repository, NULL AS tag, digest, digest AS text
      FROM (SELECT repository, digest FROM ${tableOf(artifacts, 'artifacts')}
        WHERE ${beginsWith(sql.ref('digest'), digest)} ORDER BY digest LIMIT ${maxCandidates}) AS candidates`;
  },

  label: (text) => sql`
    SELECT ${scoreOf(sql.ref('l.name'), text)} AS score, p.name AS project, NULL AS repository, NULL AS tag,
      NULL AS digest, l.name AS text
    FROM ${tableOf(labels, 'labels')} l LEFT JOIN ${tableOf(projects, 'projects')} p USING (project_id)
    WHERE ${holds(sql.ref('l.name'), text)} AND (l.project_id IS NULL OR p.name IS NOT NULL)`,

  annotation(text) {
    const [, key, value = text] = /^([\w.-]+(?:\/[\w.-]+)*)=(.*)$/.exec(text) ?? [];
    if (value === '') return undefined;
    const ofKey = key === undefined ? sql`true` : sql`key = ${key}`;
    return sql`
      SELECT ${scoreOf(sql.ref('value'), value)} AS score, ${projectOf(sql.ref('repository'))} AS project,
        repository, NULL AS tag, digest, key || '=' || value AS text
      FROM (SELECT repository, digest, key, value FROM ${tableOf(annotations, 'annotations')}
        WHERE ${beginsWith(sql.ref('value'), value)} ORDER BY value LIMIT ${maxCandidates}) AS candidates
      WHERE ${ofKey}`;
  },
};

const tableOf = (projection: Pick<AnyProjection, 'name' | 'version'>, table: string) =>
  sql.table(`${schemaOf(projection)}.${table}`);

const holds = (column: RawBuilder<unknown>, text: string) =>
  sql<boolean>`${column} ILIKE ${`%${escaped(text)}%`}`;

/** By the order of bytes, for which the columns have an index. */
const beginsWith = (column: RawBuilder<unknown>, text: string) =>
  sql<boolean>`${column} >= ${text} AND ${column} LIKE ${`${escaped(text)}%`}
    AND ${column} < ${`${text}\u{10ffff}`}`;

const projectOf = (repository: RawBuilder<unknown>) => sql<string>`split_part(${repository}, '/', 1)`;
/** All after the project. */
const pathIn = (repository: RawBuilder<unknown>) =>
  sql<string>`substr(${repository}, strpos(${repository}, '/') + 1)`;

const scoreOf = (column: RawBuilder<unknown>, text: string) => sql<number>`CASE
    WHEN lower(${column}) = lower(${text}) THEN 100
    WHEN lower(${column}) LIKE lower(${`${escaped(text)}%`}) THEN 75
    WHEN ${column} ILIKE ANY (${['/', '.', '-', '\\_'].map((before) => `%${before}${escaped(text)}%`)}::text[]) THEN 60
    ELSE 40 END`;
