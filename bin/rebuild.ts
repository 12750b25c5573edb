import { catalogue } from '../domain/catalogue.ts';
import type { AnyProjection } from '../infra/database/projection.ts';
import { createLogger } from '../infra/telemetry/logger.ts';
import {
  type RebuildOptions,
  RebuildRunning,
  RebuildStopped,
  type Rebuilt,
  replayViews,
  verifyViews,
} from '../infra/views/rebuild.ts';
import { projections } from '../projections/projections.ts';
import { openFoundation } from './compose.ts';
import { requireConfiguration } from './configuration.ts';
import { showProgress } from './progress.ts';

/** `shiplog replay`: exit code 1 when a projection cannot apply an event. */
export async function replay(file: string | undefined, names: readonly string[]): Promise<void> {
  const results = await rebuild(file, names, replayViews);
  for (const result of results) {
    const { difference, served } = result;
    const outcome = !served
      ? 'built'
      : difference === null
        ? 'rebuilt, same rows as before'
        : 'rebuilt, other rows than before';
    report(result, outcome);
  }
}

/** `shiplog verify`: exit code 1 when a row differs, or a view is not there. */
export async function verify(file: string | undefined, names: readonly string[]): Promise<void> {
  const results = await rebuild(file, names, verifyViews);
  for (const result of results) {
    const { difference, served } = result;
    report(
      result,
      !served ? 'is not there: shiplog replay builds it' : difference === null ? 'verified' : 'DIFFERS',
    );
    if (difference !== null || !served) process.exitCode = 1;
  }
}

function report({ projection, position, tables, difference }: Rebuilt, outcome: string): void {
  console.log(`${projection.name} v${projection.version} at position ${position}: ${outcome}`);
  for (const [table, digest] of tables) console.log(`  ${table}  ${digest}`);
  if (difference === null) return;
  console.log(`  the first row of ${difference.table} that differs:`);
  console.log(`    served   ${difference.serving ?? '(no such row)'}`);
  console.log(`    rebuilt  ${difference.rebuilt ?? '(no such row)'}`);
}

async function rebuild(
  file: string | undefined,
  names: readonly string[],
  work: (options: RebuildOptions) => Promise<Rebuilt[]>,
): Promise<Rebuilt[]> {
  const chosen = choose(names);
  const configuration = await requireConfiguration(file);
  const logger = createLogger({ level: 'warn' });
  const { log, views, close } = await openFoundation({ configuration, logger, as: 'tool' });
  const progress = showProgress();
  try {
    return await work({
      log,
      database: views,
      catalogue,
      projections: chosen,
      onProgress: progress.update,
    });
  } catch (error) {
    if (!(error instanceof RebuildRunning || error instanceof RebuildStopped)) throw error;
    console.error(error.message);
    process.exitCode = 1;
    return [];
  } finally {
    progress.stop();
    await close();
  }
}

function choose(names: readonly string[]): readonly AnyProjection[] {
  const unknown = names.filter((name) => !projections.some((projection) => projection.name === name));
  if (unknown.length > 0) {
    const known = projections.map(({ name }) => name).join(', ');
    console.error(`no projection is called ${unknown.join(', ')}; there are ${known}`);
    process.exit(1);
  }
  return names.length === 0 ? projections : projections.filter(({ name }) => names.includes(name));
}
