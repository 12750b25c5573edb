import { z } from 'zod';
import {
  type Configuration,
  type ItemName,
  isSecret,
  itemNames,
  items,
  type Secrets,
} from '../../domain/configuration/items.ts';
import type { Item, Value } from '../../domain/configuration/kinds.ts';

const shown = itemNames.filter((name) => (items[name] as Item).isInternal !== true);

const kinds = { text: z.string(), flag: z.boolean(), number: z.int() } as const;
const names = { text: 'StringConfigItem', flag: 'BoolConfigItem', number: 'IntegerConfigItem' } as const;

const editable = z.boolean().describe('Whether it can be changed');
const itemForms = {
  text: z.object({ value: kinds.text, editable }).meta({ id: names.text }),
  flag: z.object({ value: kinds.flag, editable }).meta({ id: names.flag }),
  number: z.object({ value: kinds.number, editable }).meta({ id: names.number }),
};

export interface ShownItem {
  readonly value: Value;
  readonly editable: boolean;
}

/** Harbor's `ConfigurationsResponse`; secrets are not in it. */
export const configurationsAnswer = z
  .object({
    ...Object.fromEntries(
      shown.filter((name) => !isSecret(name)).map((name) => [name, itemForms[items[name].kind]]),
    ),
    scan_all_policy: z.object({}).describe('The schedule of scans has its own place'),
  })
  .meta({ id: 'ConfigurationsResponse' });

/** Harbor's `Configurations`: what is to be changed. */
export const configurationsForm = z
  .object(
    Object.fromEntries(
      shown.map((name) => [name, kinds[items[name].kind].nullish().describe(items[name].meaning)]),
    ),
  )
  .meta({ id: 'Configurations' });

/** Harbor's `InternalConfigurationsResponse`. */
export const internalAnswer = z
  .record(
    z.string(),
    z.object({ value: z.union([z.string(), z.number(), z.boolean()]), editable }).meta({
      id: 'InternalConfigurationValue',
    }),
  )
  .meta({ id: 'InternalConfigurationsResponse' });

/** What a request sets; null and nothing leave an item as it is. */
export function readChange(body: z.output<typeof configurationsForm>): {
  readonly items: Partial<Configuration>;
  readonly secrets: Partial<Secrets>;
} {
  const set = Object.entries(body).filter(([, value]) => value !== undefined && value !== null);
  const secrets = set.filter(([name]) => isSecret(name as ItemName));
  return {
    items: Object.fromEntries(set.filter(([name]) => !isSecret(name as ItemName))),
    secrets: Object.fromEntries(secrets) as Partial<Secrets>,
  };
}

/** The items that the API shows, each with whether it can be changed. */
export function shownItems(
  configuration: Configuration,
  isEditable: (name: ItemName) => boolean,
): Readonly<Record<string, ShownItem>> {
  const values: Readonly<Record<string, Value>> = configuration;
  return Object.fromEntries(
    shown.flatMap((name) => {
      const value = values[name];
      return value === undefined ? [] : [[name, { value, editable: isEditable(name) }]];
    }),
  );
}
