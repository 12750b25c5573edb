import type { JobResults } from '../../infra/job-results/port.ts';
import { badRequest } from './faults.ts';
import { limitOr } from './parameter-forms.ts';

/** Where a list of results goes on: the place of its last row. */
const placeAfter = (after: string | undefined): number => {
  if (after === undefined) return 0;
  if (!/^\d{1,9}$/.test(after)) throw badRequest('after in query is what the Link of an answer says');
  return Number(after);
};

/** Some rows of a task's results behind a place, and where they go on. */
export async function rowsAfter<Row extends object>(
  results: Pick<JobResults, 'read'>,
  taskId: number,
  after: number,
  limit: number | undefined,
) {
  const size = limitOr(limit);
  const found = await results.read<Row>(taskId, after, size + 1);
  const rows = found.slice(0, size);
  return { rows, next: found.length > size ? String(rows.at(-1)?.place) : undefined };
}

/** The same for a list that says how many there are. @throws RequestRefused 400 */
export async function resultsAfter<Row extends object>(
  results: Pick<JobResults, 'count' | 'read'>,
  taskId: number,
  { after, limit }: { readonly after: string | undefined; readonly limit: number | undefined },
) {
  const [page, total] = await Promise.all([
    rowsAfter<Row>(results, taskId, placeAfter(after), limit),
    results.count(taskId),
  ]);
  return { ...page, total: total ?? 0 };
}
