import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import { schemaOf } from '../../infra/database/projection.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import { among, isWithin, type Place } from '../paging.ts';
import { type LabelsDatabase, labels } from './projection.ts';

export interface Label {
  readonly labelId: number;
  /** Null for a label of the system. */
  readonly projectId: number | null;
  readonly name: string;
  readonly description: string;
  readonly color: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const labelColumns = [
  'labels.label_id as labelId',
  'project_id as projectId',
  'name',
  'description',
  'color',
  'created_at as createdAt',
  'updated_at as updatedAt',
] as const;

export const findLabel = (db: Kysely<LabelsDatabase>, labelId: number): Promise<Label | undefined> =>
  db.selectFrom('labels').select(labelColumns).where('label_id', '=', labelId).executeTakeFirst();

/** The keys that lists of labels are filtered and sorted by. */
const columns: Columns = {
  id: { column: 'label_id', type: 'integer' },
  name: { column: 'name', type: 'text' },
  description: { column: 'description', type: 'text' },
  color: { column: 'color', type: 'text' },
  creationtime: { column: 'created_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

/** @param projectId null for the labels of the system */
export async function listLabels(
  db: Kysely<LabelsDatabase>,
  projectId: number | null,
  listing: Listing,
): Promise<Page<Label>> {
  const all = filtered(
    db
      .selectFrom('labels')
      .where((eb) => (projectId === null ? eb('project_id', 'is', null) : eb('project_id', '=', projectId))),
    listing.filters,
    columns,
  );
  const page = all.select(labelColumns).orderBy(orderOf(listing, columns, ['name', 'label_id']));
  // The labels of one project, by an index.
  return pageOf(page, countOf(all), listing);
}

const nameOf = ({ repository, digest }: Place) => `${repository}@${digest}`;

/** The labels of each of `places` that has any, by name; the keys are `<repository>@<digest>`. */
export async function labelsOf(
  db: Kysely<LabelsDatabase>,
  places: readonly Place[],
): Promise<ReadonlyMap<string, readonly Label[]>> {
  if (places.length === 0) return new Map();
  const rows = await db
    .selectFrom('attached')
    // One that was attached while it was deleted is not there.
    .innerJoin('labels', 'labels.label_id', 'attached.label_id')
    .select(['repository', 'digest', ...labelColumns])
    .where(among(places))
    .orderBy('name')
    .orderBy('labels.label_id')
    .execute();
  const byPlace = Map.groupBy(rows, nameOf);
  return new Map(
    [...byPlace].map(([name, found]) => [
      name,
      found.map(({ repository: _, digest: __, ...label }) => label),
    ]),
  );
}

/**
 * A condition on rows of any view with the columns `repository` and `digest`: to have all of these labels.
 * @param of where the rows are, so that only what is attached there is looked at.
 */
export function hasLabels(
  labelIds: readonly number[],
  of: { readonly repository: string } | { readonly project: string },
): RawBuilder<SqlBool> {
  const asked = [...new Set(labelIds)];
  const [attachments, existing] = ['attached', 'labels'].map((table) =>
    sql.table(`${schemaOf(labels)}.${table}`),
  );
  return sql<SqlBool>`(repository, digest) IN (
    SELECT repository, digest FROM ${attachments} JOIN ${existing} USING (label_id)
    WHERE label_id = ANY (${asked}::integer[]) AND ${isWithin(of)}
    GROUP BY repository, digest HAVING count(*) = ${asked.length})`;
}
