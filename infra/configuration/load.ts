import type { z } from 'zod';
import { environmentSettings, fileVariable } from './environment.ts';
import { ConfigurationError, type Fault, nearest } from './faults.ts';
import { readSettings } from './file.ts';
import { interpret, type WrittenSecret } from './interpret.ts';
import { defaultOf, isNotUsed, isSecret, keysOf, leavesOf, schemaAt, variableOf, written } from './keys.ts';
import { runTimeFrom } from './run-time.ts';
import { type Configuration, configurationSchema } from './schema.ts';
import { resolveSecret, SecretNotFound, type SecretSource, standardSecretSources } from './secret.ts';
import { find, merge, nameOf, noSettings, type SectionSetting, type Setting } from './settings.ts';
import { unusedKeys } from './unused.ts';

/**
 * The configuration: the defaults, overridden by `file` (YAML; without it the one that SHIPLOG_CONFIG names),
 * overridden by the variables of `environment`. `secretSources` are schemes that a secret may refer to besides
 * `file:` and `env:`.
 * @throws ConfigurationError with everything that is wrong.
 */
export async function loadConfiguration({
  file,
  environment,
  secretSources = {},
}: {
  readonly file?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  readonly secretSources?: Record<string, SecretSource>;
}): Promise<Configuration> {
  const path = file ?? (environment[fileVariable] || undefined);
  const ofFile = path === undefined ? { settings: noSettings, faults: [] } : await readSettings(path);
  const ofEnvironment = environmentSettings(configurationSchema, environment);
  const { runTime, faults: ofRunTime } = runTimeFrom(environment);
  // What is missing cannot be told before the file can be read.
  if (ofFile.faults.length > 0) throw new ConfigurationError([...ofFile.faults, ...ofEnvironment.faults]);
  const settings = merge(withoutAliases(ofFile.settings, ofEnvironment.settings), ofEnvironment.settings);

  const { value, secrets } = interpret(configurationSchema, settings);
  const sources = { ...standardSecretSources(environment), ...secretSources };
  const unresolved = await Promise.all(secrets.map((secret) => resolve(secret, sources)));

  const parsed = configurationSchema.safeParse(value);
  const faults = [
    ...ofEnvironment.faults,
    ...(parsed.error?.issues ?? []).flatMap((issue) => faultsOf(issue, settings)),
    ...unresolved.filter((fault) => fault !== undefined),
    ...ofRunTime,
  ];
  if (!parsed.success || faults.length > 0) throw new ConfigurationError(withoutRepetition(faults));
  const configuration = withoutUndefined(parsed.data) as typeof parsed.data;
  return { ...configuration, runTime, unused: unusedKeys(settings, configuration) };
}

/** A value can break two checks that expect the same, such as a whole number in a range. */
const withoutRepetition = (faults: readonly Fault[]): Fault[] => [
  ...new Map(faults.map((fault) => [`${fault.key}\n${fault.from}\n${fault.expected}`, fault])).values(),
];

/** `data` and `data_volume` are one key, so the environment overrides either by either. */
function withoutAliases(ofFile: SectionSetting, ofEnvironment: SectionSetting): SectionSetting {
  const names = ['data', 'data_volume'];
  if (!names.some((name) => ofEnvironment.keys.has(name))) return ofFile;
  return { ...ofFile, keys: new Map([...ofFile.keys].filter(([name]) => !names.includes(name))) };
}

async function resolve(
  { path, from, text, replace }: WrittenSecret,
  sources: Record<string, SecretSource>,
): Promise<Fault | undefined> {
  try {
    replace(await resolveSecret(text, sources));
    return undefined;
  } catch (error) {
    const found = error instanceof SecretNotFound ? error.message : 'a reference that cannot be resolved';
    const expected = 'a secret: the value, file:/path or env:NAME';
    return { key: written(path), from: nameOf(from), found, expected };
  }
}

function faultsOf(issue: z.core.$ZodIssue, settings: SectionSetting): Fault[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((name) => {
      const path = [...issue.path, name];
      const { above } = find(settings, path);
      return {
        key: written(path),
        from: above && nameOf(above),
        found: 'an unknown key',
        expected: 'a key of Shiplog or of harbor.yml',
        guess: guessFor(issue.path, name),
      };
    });

  const { setting, above } = find(settings, issue.path);
  // Of what is missing, the file's section tells where it belongs; otherwise the variable that would set it.
  const from = (setting ?? (above && 'file' in above)) ? above && nameOf(above) : variableOf(issue.path);
  return [{ key: written(issue.path), from, found: shown(setting, issue.path), expected: issue.message }];
}

/** What was written at `path`, in words, unless it is a secret or may hold one. */
function shown(setting: Setting | undefined, path: readonly PropertyKey[]): string {
  const schema = schemaAt(configurationSchema, path);
  if (setting === undefined) {
    const standard = schema && defaultOf(schema);
    return standard === undefined ? 'nothing' : `nothing, which means ${standard}`;
  }
  if (setting.kind !== 'text') return `a ${setting.kind}`;
  if (schema !== undefined && isSecret(schema)) return 'a value that is not shown';
  // Somebody's user and password in an address that may have none.
  const text = setting.text.replace(/^.*@/s, '…@');
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/** A key of the same section that looks like `name`, or else a key of that name in another section. */
function guessFor(section: readonly PropertyKey[], name: string): string | undefined {
  const schema = schemaAt(configurationSchema, section);
  const sibling = nearest(name, Object.keys((schema && keysOf(schema)) ?? {}));
  if (sibling !== undefined) return written([...section, sibling]);
  const used = [...leavesOf(configurationSchema)].filter(({ schema }) => !isNotUsed(schema));
  const elsewhere = used.find(({ path }) => path.at(-1) === name);
  return elsewhere && written(elsewhere.path);
}

/** Without the keys whose value is undefined, which those that are not used leave behind. */
function withoutUndefined(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutUndefined(child)]));
}
