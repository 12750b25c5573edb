import {
  type Configuration,
  faultIn,
  type ItemName,
  isItem,
  isSecret,
  itemNames,
  items,
  type Secrets,
} from '../../domain/configuration/items.ts';
import type { Item, Value } from '../../domain/configuration/kinds.ts';
import type { Fault } from './faults.ts';

/** Values of what can be changed while the system runs. */
export interface RunTimeItems {
  readonly items: Partial<Configuration>;
  readonly secrets: Partial<Secrets>;
}

export interface RunTime {
  /** What the items begin with. */
  readonly seeds: RunTimeItems;
  /** What they are whatever anybody sets; undefined where nothing is said of that. */
  readonly pinned?: RunTimeItems;
}

/** A JSON document of items that nobody can change while the system runs. */
export const overwriteVariable = 'CONFIG_OVERWRITE_JSON';

const flags: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

/**
 * What the environment says of the items under Harbor's names. An empty variable is as if it were not there, and one
 * that does not fit is a fault.
 */
export function runTimeFrom(environment: NodeJS.ProcessEnv): { runTime: RunTime; faults: Fault[] } {
  const faults: Fault[] = [];
  const seeds = new Map<ItemName, Value>();
  for (const name of itemNames) {
    const { variable } = items[name] as Item;
    const text = variable === undefined ? '' : (environment[variable] ?? '');
    if (text === '') continue;
    take(seeds, name, read(name, text), variable);
  }
  const overwrite = environment[overwriteVariable] ?? '';
  const pinned = overwrite === '' ? undefined : pinnedBy(overwrite);
  return {
    runTime: { seeds: divided(seeds), ...(pinned !== undefined && { pinned: divided(pinned) }) },
    faults,
  };

  function pinnedBy(text: string): ReadonlyMap<ItemName, Value> {
    const pinned = new Map<ItemName, Value>();
    const document = objectIn(text);
    if (document === undefined) {
      const found = 'a value that is not shown';
      faults.push({ key: '', from: overwriteVariable, found, expected: 'a JSON object' });
    }
    for (const [name, value] of Object.entries(document ?? {}))
      if (isItem(name)) take(pinned, name, value, overwriteVariable);
      else {
        const expected = 'an item of the run-time configuration';
        faults.push({ key: name, from: overwriteVariable, found: 'an unknown name', expected });
      }
    return pinned;
  }

  function take(into: Map<ItemName, Value>, name: ItemName, value: unknown, from: string | undefined): void {
    const expected = faultIn(name, value as Value);
    if (expected === undefined) into.set(name, value as Value);
    else {
      const found = isSecret(name) ? 'a value that is not shown' : JSON.stringify(value).slice(0, 100);
      faults.push({ key: name, from, found, expected });
    }
  }
}

function read(name: ItemName, text: string): Value {
  switch (items[name].kind) {
    case 'text':
      return text;
    case 'flag':
      return flags.get(text.trim().toLowerCase()) ?? text;
    case 'number':
      return /^-?\d{1,16}$/.test(text.trim()) ? Number(text) : text;
  }
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function divided(values: ReadonlyMap<ItemName, Value>): RunTimeItems {
  const entries = [...values];
  return {
    items: Object.fromEntries(entries.filter(([name]) => !isSecret(name))),
    secrets: Object.fromEntries(entries.filter(([name]) => isSecret(name))),
  };
}
