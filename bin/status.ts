import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '../infra/telemetry/logger.ts';
import { createCheckpoints, readStatus } from '../infra/views/checkpoints.ts';
import { projections } from '../projections/projections.ts';
import { openFoundation } from './compose.ts';
import { requireConfiguration } from './configuration.ts';

/** Between the two readings that tell a rate, in milliseconds. */
const rateMs = 500;

/** `shiplog status`: exit code 1 when a projection has stopped. */
export async function status(file: string | undefined, { json = false }: { json?: boolean }): Promise<void> {
  const configuration = await requireConfiguration(file);
  const logger = createLogger({ level: 'warn' });
  const { log, views, close } = await openFoundation({ configuration, logger, as: 'tool' });
  try {
    await createCheckpoints(views.pool);
    const before = await readStatus(views.pool, projections);
    await sleep(rateMs);
    const now = await readStatus(views.pool, projections);
    const head = await log.head();
    const rows = now.map(({ name, version, position, applied, stoppedAt, lastError }, index) => ({
      projection: name,
      version,
      position: String(position),
      lag: String(head - position),
      eventsPerSecond: Math.round((Number(applied - (before[index]?.applied ?? applied)) * 1000) / rateMs),
      state: stoppedAt === null ? 'runs' : `STOPPED at ${stoppedAt}`,
      lastError,
    }));
    if (json)
      console.log(
        JSON.stringify({ log: { engine: log.engine, head: String(head) }, projections: rows }, null, 2),
      );
    else {
      console.log(`event log: ${log.engine}, head ${head}`);
      console.table(rows.map(({ lastError, ...row }) => (lastError === null ? row : { ...row, lastError })));
    }
    if (now.some(({ stoppedAt }) => stoppedAt !== null)) process.exitCode = 1;
  } finally {
    await close();
  }
}
