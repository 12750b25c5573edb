import type { z } from 'zod';
import { type Fault, nearest } from './faults.ts';
import { entriesOf, leavesOf, variableOf } from './keys.ts';
import type { SectionSetting, Setting } from './settings.ts';

/** The path of the configuration file. */
export const fileVariable = 'SHIPLOG_CONFIG';

/** Of the tests, of the programs that they need, and of this loader. */
const isForeign = (name: string): boolean =>
  name === fileVariable || name === 'SHIPLOG_TOOLS' || name.startsWith('SHIPLOG_TEST_');

/**
 * What Kubernetes (and Docker's links before it) puts into the environment of every container when a service is
 * called `shiplog` or `shiplog-…`: `SHIPLOG_PORT=tcp://10.0.0.1:80`, `SHIPLOG_SERVICE_HOST`, `SHIPLOG_PORT_80_TCP`.
 */
const isOfKubernetes = (name: string, value: string): boolean =>
  /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
  (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value));

/**
 * What the variables that begin with `SHIPLOG_` say. An empty one is as if it were not there, since that is what
 * a compose file makes of a variable that it passes on and that is not set.
 */
export function environmentSettings(
  schema: z.core.$ZodType,
  environment: NodeJS.ProcessEnv,
): { settings: SectionSetting; faults: Fault[] } {
  const leaves = [...leavesOf(schema)].filter((leaf) => entriesOf(leaf.schema) === undefined);
  const paths = new Map(leaves.map(({ path }) => [variableOf(path), path]));
  const root: SectionSetting = { kind: 'section', from: { variable: '' }, keys: new Map() };
  const faults: Fault[] = [];

  for (const [name, value] of Object.entries(environment).sort()) {
    if (!name.startsWith('SHIPLOG_') || isForeign(name)) continue;
    if (value === undefined || value === '') continue;
    const path = paths.get(name);
    if (path !== undefined && !/^(tcp|udp|sctp):\/\//.test(value))
      place(root, path, { kind: 'text', from: { variable: name }, text: value });
    else if (!isOfKubernetes(name, value)) {
      const guess = nearest(name, paths.keys());
      const expected = 'a variable that Shiplog reads';
      faults.push({ key: name, from: undefined, found: 'an unknown environment variable', expected, guess });
    }
  }
  return { settings: root, faults };
}

function place(root: SectionSetting, path: readonly string[], setting: Setting): void {
  let section = root.keys as Map<string, Setting>;
  for (const key of path.slice(0, -1)) {
    const next = section.get(key) ?? { kind: 'section', from: setting.from, keys: new Map() };
    section.set(key, next);
    section = (next as SectionSetting).keys as Map<string, Setting>;
  }
  section.set(path.at(-1) as string, setting);
}
