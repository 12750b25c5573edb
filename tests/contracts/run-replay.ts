// Replays views in a process of its own, and stays in the middle of it: prints `at <position>` after each batch and
// waits after the first.
import { connectDatabase } from '../../infra/database/connect.ts';
import { openPostgresLog } from '../../infra/event-log/postgres.ts';
import { replayViews } from '../../infra/views/rebuild.ts';
import { countedCatalogue, counting } from './views-setting.ts';

const { connections, names } = JSON.parse(process.argv[2] ?? '');
const log = await openPostgresLog(
  await connectDatabase({ connection: connections.log, poolSize: 3, waitMs: 30_000 }),
);
const database = await connectDatabase({
  connection: connections.views,
  poolSize: 4,
  waitMs: 30_000,
  applicationName: 'killed replay',
});
let held = false;
const projections = names.map((name: string) => {
  const projection = counting(name);
  const apply: typeof projection.apply = async (tables, events) => {
    await projection.apply(tables, events);
    if (held) await new Promise(() => undefined);
  };
  return { ...projection, apply };
});
await replayViews({
  log,
  database,
  catalogue: countedCatalogue,
  projections,
  onProgress: ({ position }) => {
    held = true;
    console.log(`at ${position}`);
  },
});
