import type { z } from 'zod';
import { isNotUsed, keysOf, written } from './keys.ts';
import { type Configuration, configurationSchema } from './schema.ts';
import { find, type SectionSetting, type Setting } from './settings.ts';

/** The keys that were set and that nothing reads; a section of which nothing is read counts as one. */
export function unusedKeys(
  settings: SectionSetting,
  configuration: Omit<Configuration, 'unused' | 'runTime'>,
): string[] {
  const idle = idleServers(configuration).filter((path) => find(settings, path).setting !== undefined);
  return [...notUsedUnder(configurationSchema, settings, [], idle.map(written))];
}

function* notUsedUnder(
  schema: z.core.$ZodType,
  setting: Setting,
  path: readonly string[],
  idle: readonly string[],
): Iterable<string> {
  const name = written(path);
  if (isNotUsed(schema) || idle.includes(name)) yield name;
  else if (setting.kind === 'section')
    for (const [key, of] of Object.entries(keysOf(schema) ?? {})) {
      const child = setting.keys.get(key);
      if (child !== undefined) yield* notUsedUnder(of, child, [...path, key], idle);
    }
}

/** Sections that describe a server which the choice of another leaves idle: most likely a mistake. */
function idleServers({
  event_log: { engine },
  external_database,
}: Omit<Configuration, 'unused' | 'runTime'>): string[][] {
  const idle: string[][] = [];
  if (external_database.harbor !== undefined) idle.push(['database']);
  if (engine !== 'postgres') idle.push(['external_database', 'log']);
  if (engine !== 'jetstream') idle.push(['event_log', 'jetstream']);
  if (engine !== 'eventstoredb') idle.push(['event_log', 'eventstoredb']);
  return idle;
}
