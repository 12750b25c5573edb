import { z } from 'zod';
import { runTimeReference } from './describe-run-time.ts';
import {
  defaultOf,
  entriesOf,
  isNotUsed,
  isRefused,
  isSecret,
  keysOf,
  leavesOf,
  meaningOf,
  variableOf,
} from './keys.ts';
import { configurationSchema } from './schema.ts';

type Schema = z.core.$ZodType;

/** The JSON Schema of the configuration file. Secrets are strings with `writeOnly`; Harbor's keys are included. */
export const configurationJsonSchema = (): object => ({
  title: 'Shiplog configuration',
  ...z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any' }),
});

/** `docs/configuration.md`: every key with its variable, default and meaning. */
export function configurationReference(): string {
  const sections = Object.entries(keysOf(configurationSchema) ?? {});
  const used = sections.filter(([, schema]) => !isNotUsed(schema));
  const single = used.filter(([, schema]) => keysOf(schema) === undefined);
  const grouped = used.filter(([, schema]) => keysOf(schema) !== undefined);
  return [
    introduction,
    '## General',
    '',
    ...table(single.flatMap(([key, schema]) => [...leavesOf(schema, [key])])),
    ...grouped.flatMap(([key, schema]) => sectionReference([key], schema, 2)),
    ...runTimeReference(),
    '## Keys of harbor.yml that are not used',
    '',
    notUsedIntroduction,
    '| Key | Why |',
    '| --- | --- |',
    ...notUsed([], configurationSchema),
    '',
  ].join('\n');
}

const introduction = `# Configuration

<!-- Written by \`npm run docs\` from infra/configuration/; change it there. -->

Shiplog runs without any configuration. What is to be different is said in a YAML file
(\`--config <file>\` or \`SHIPLOG_CONFIG=<file>\`) or in environment variables; a variable overrides the file, and the
file overrides the default. Keys that Harbor has too have Harbor's names, so a \`harbor.yml\` can be used as the file.

- An empty value, in the file or in a variable, is as if the key were not there.
- An unknown key or variable is an error, and so is a value that does not fit. All errors are reported at once.
- A **secret** is the value itself, \`file:/path\` for the content of a file (without one newline at its end), or
  \`env:NAME\` for the value of another environment variable. Secrets are never printed.
- In a variable, a list is written with commas (\`a,b\`), and names with values as \`name=value,name=value\`.
- Paths are relative to the working directory.
- Variables that Kubernetes sets for a service called \`shiplog\` (\`SHIPLOG_PORT=tcp://…\`) are left aside.
`;

const notUsedIntroduction = `These keys are accepted, so that the file can stay as it is. Each one that is set is
reported with a warning when Shiplog starts.
`;

function sectionReference(path: readonly string[], schema: Schema, depth: number): string[] {
  const keys = Object.entries(keysOf(schema) ?? {}).filter(([, of]) => !isNotUsed(of));
  const own = keys.filter(([, of]) => keysOf(of) === undefined);
  const below = keys.filter(([, of]) => keysOf(of) !== undefined);
  return [
    `${'#'.repeat(depth)} \`${path.join('.')}\``,
    '',
    meaningOf(schema),
    '',
    ...table(own.map(([key, of]) => ({ path: [...path, key], schema: of }))),
    ...below.flatMap(([key, of]) => sectionReference([...path, key], of, depth + 1)),
    ...own.flatMap(([key, of]) => entriesReference([...path, key], of, depth + 1)),
  ];
}

/** Of a list of sections: the keys of each, which only a file can hold. */
function entriesReference(path: readonly string[], schema: Schema, depth: number): string[] {
  const entry = entriesOf(schema);
  if (entry === undefined) return [];
  const rows = Object.entries(keysOf(entry) ?? {}).map(([key, of]) => [
    `\`${key}\``,
    defaultCell(of),
    meaningCell(of),
  ]);
  return [
    `${'#'.repeat(depth)} Each of \`${path.join('.')}\``,
    '',
    meaningOf(entry),
    '',
    row(['Key', 'Default', 'Meaning']),
    row(['---', '---', '---']),
    ...rows.map(row),
    '',
  ];
}

function table(keys: readonly { path: readonly string[]; schema: Schema }[]): string[] {
  if (keys.length === 0) return [];
  const rows = keys.map(({ path, schema }) => [
    `\`${path.join('.')}\``,
    isRefused(schema) || entriesOf(schema) ? '' : `\`${variableOf(path)}\``,
    defaultCell(schema),
    meaningCell(schema),
  ]);
  return [
    row(['Key', 'Variable', 'Default', 'Meaning']),
    row(['---', '---', '---', '---']),
    ...rows.map(row),
    '',
  ];
}

const meaningCell = (schema: Schema): string =>
  `${isSecret(schema) ? '**Secret.** ' : ''}${meaningOf(schema)}${choices(schema)}`;

function defaultCell(schema: Schema): string {
  const value = isRefused(schema) ? undefined : defaultOf(schema);
  const empty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return value === undefined || empty ? '' : `\`${String(value)}\``;
}

function choices(schema: Schema): string {
  const { enum: values } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return values === undefined ? '' : ` One of ${values.map((value) => `\`${value}\``).join(', ')}.`;
}

function notUsed(path: readonly string[], schema: Schema): string[] {
  const keys = keysOf(schema);
  if (path.length > 0 && isNotUsed(schema)) {
    const name = path.join('.');
    const leaves = keys && [...leavesOf(schema, path)].map((leaf) => leaf.path.slice(path.length).join('.'));
    const within = leaves ? ` (${leaves.map((leaf) => `\`${leaf}\``).join(', ')})` : '';
    return [row([`\`${name}\`${within}`, meaningOf(schema)])];
  }
  return Object.entries(keys ?? {}).flatMap(([key, of]) => notUsed([...path, key], of));
}

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
