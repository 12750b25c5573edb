import type { ViewTables } from '../infra/database/projection.ts';

/** What one event does to one row, or to all rows with the values of `key`. */
export interface Step {
  readonly by: 'write' | 'update' | 'remove';
  readonly table: string;
  readonly key: readonly string[];
  readonly row: object;
}

/** Takes `steps` in their order, those in a row that are alike in one statement. */
export async function takeSteps(tables: ViewTables, steps: readonly Step[]): Promise<void> {
  for (let from = 0; from < steps.length; ) {
    const { by, table, key } = steps[from] as Step;
    const alike = formOf(steps[from] as Step);
    const next = steps.findIndex((step, index) => index > from && formOf(step) !== alike);
    const end = next === -1 ? steps.length : next;
    await tables[by](
      table,
      key,
      steps.slice(from, end).map(({ row }) => row),
    );
    from = end;
  }
}

const formOf = ({ by, table, key, row }: Step): string => JSON.stringify([by, table, key, Object.keys(row)]);
