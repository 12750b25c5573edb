// Runs views in a process of its own. Prints `running`, then answers each line of its standard input: a position is
// waited for. Prints `stopped at <position>` when a projection stops. Closes everything when the input ends.
import { createInterface } from 'node:readline';
import { connectDatabase } from '../../infra/database/connect.ts';
import { openPostgresLog } from '../../infra/event-log/postgres.ts';
import { runViews } from '../../infra/views/runner.ts';
import { countedCatalogue, counting } from './views-setting.ts';

const { connections, names, waitMs, refuses } = JSON.parse(process.argv[2] ?? '');
const logDatabase = await connectDatabase({ connection: connections.log, poolSize: 3, waitMs: 30_000 });
const log = await openPostgresLog(logDatabase);
const database = await connectDatabase({ connection: connections.views, poolSize: 4, waitMs: 30_000 });
const projections = names.map((name: string) => counting(name, { refuses }));
const views = await runViews({
  log,
  database,
  catalogue: countedCatalogue,
  projections,
  waitMs,
  onStop: ({ event }) => console.log(`stopped at ${event.position}`),
  onOutage: (error) => console.error('outage', error),
});
console.log('running');
for await (const line of createInterface({ input: process.stdin })) {
  try {
    await views.reached(BigInt(line), projections);
    console.log(`reached ${line}`);
  } catch (error) {
    console.log((error as Error).name);
  }
}
await views.close();
await database.close();
await log.close();
await logDatabase.close();
console.log('closed');
