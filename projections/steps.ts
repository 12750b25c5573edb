import type { RecordedEvent } from '../domain/event.ts';
import type { ViewTables } from '../infra/database/projection.ts';

/** What one event does to one row, or to all rows with the values of `key`. */
export interface Step {
  readonly by: 'write' | 'update' | 'remove';
  readonly table: string;
  readonly key: readonly string[];
  readonly row: object;
  /** Of a removal: whether it takes rows of other streams than the event's, so that the order with these matters too. */
  readonly spans?: true;
}

/** Steps that may be taken in any order, by their form: those of one form go in one statement. */
type Round = Map<string, Step[]>;

/**
 * Takes the steps of `events`, few statements for many: those of one stream in their order, and those of different
 * streams, whose rows are different ones, together. A removal that spans streams has all before it behind it.
 */
export async function takeSteps<Event extends RecordedEvent>(
  tables: ViewTables,
  events: readonly Event[],
  stepsOf: (event: Event) => readonly Step[],
): Promise<void> {
  for (const round of roundsOf(events, stepsOf))
    for (const alike of round.values()) {
      const { by, table, key } = alike[0] as Step;
      const rows = alike.map(({ row }) => row);
      await tables[by](table, key, rows);
    }
}

function roundsOf<Event extends RecordedEvent>(
  events: readonly Event[],
  stepsOf: (event: Event) => readonly Step[],
): readonly Round[] {
  const rounds: Round[] = [];
  /** Where the last step of each stream is, since the last that spans them. */
  const places = new Map<string, { readonly round: number; readonly form: string }>();
  let first = 0;
  let isSpanned = false;
  for (const event of events)
    for (const step of stepsOf(event)) {
      const form = formOf(step);
      const last = places.get(event.stream);
      let round = last === undefined ? first : last.form === form ? last.round : last.round + 1;
      if (step.spans) {
        // Removals one after the other can change places.
        round = isSpanned ? rounds.length - 1 : rounds.length;
        first = round + 1;
        places.clear();
      } else {
        places.set(event.stream, { round, form });
      }
      isSpanned = step.spans === true;
      if (round === rounds.length) rounds.push(new Map());
      const alike = rounds[round]?.get(form);
      if (alike === undefined) rounds[round]?.set(form, [step]);
      else alike.push(step);
    }
  return rounds;
}

const formOf = ({ by, table, key, row }: Step): string => JSON.stringify([by, table, key, Object.keys(row)]);
