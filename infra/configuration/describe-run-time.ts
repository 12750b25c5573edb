import { isSecret, itemNames, items } from '../../domain/configuration/items.ts';
import type { Item } from '../../domain/configuration/kinds.ts';
import { overwriteVariable } from './run-time.ts';

/** The part of `docs/configuration.md` on what can be changed while the system runs. */
export const runTimeReference = (): string[] => [
  '## Settings that are changed while Shiplog runs',
  '',
  introduction,
  '| Item | Variable | Default | Meaning |',
  '| --- | --- | --- | --- |',
  ...itemNames.map((name) => {
    const item: Item = items[name];
    const standard = item.default === '' ? '' : `\`${item.default}\``;
    const meaning = `${isSecret(name) ? '**Secret.** ' : ''}${item.meaning}`;
    return `| \`${name}\` | ${item.variable === undefined ? '' : `\`${item.variable}\``} | ${standard} | ${meaning} |`;
  }),
  '',
];

const introduction = `These are Harbor's items of \`/api/v2.0/configurations\`, which administrators change; each change
is an event. What nobody has set has its default, which for \`token_expiration\` is \`token.expiration_minutes\` and for
\`robot_name_prefix\` the key of that name.

- The variables have Harbor's names, without \`SHIPLOG_\`. They are what the items begin with: Shiplog records them when
  it starts and nothing was ever set, and from then on an administrator decides.
- A JSON object in \`${overwriteVariable}\` (\`{"read_only": true}\`) says what items are, whatever anybody sets; while it is
  there nobody can change any.
- A variable that does not fit its item is an error.
`;
