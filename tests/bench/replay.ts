import { catalogue } from '../../domain/catalogue.ts';
import { replayViews } from '../../infra/views/rebuild.ts';
import { projections } from '../../projections/projections.ts';
import { type Bench, perSecond } from './bench.ts';
import { startPostgresLog } from './postgres.ts';
import { watchResidentBytes } from './processes.ts';
import { recordImages } from './record-images.ts';

const images = 20_000;

/** All views from the log alone, as `shiplog replay` on a log that nobody has views of. */
export const replay: Bench = {
  name: 'replay',
  async run(scope) {
    const { log, connect } = await startPostgresLog(scope);
    await recordImages(log, 0, images);
    const database = await connect(10);
    let read = 0;
    const memory = watchResidentBytes(process.pid);
    const startedAt = performance.now();
    await replayViews({
      log,
      database,
      catalogue,
      projections,
      onProgress: ({ events }) => {
        read = events;
      },
    });
    const ms = performance.now() - startedAt;
    const rate = (read / ms) * 1000;
    return [
      {
        work: `replay of ${projections.length} views over ${read.toLocaleString('en')} events`,
        ours: perSecond(read, ms),
        goal: '≥ 50,000/s',
        met: rate >= 50_000,
      },
      { work: 'replay: the most memory of the process', ours: `${Math.round(memory.stop() / 2 ** 20)} MiB` },
    ];
  },
};
