import { type Bench, perSecond } from './bench.ts';
import { eventsPerImage } from './events.ts';
import { startPostgresLog } from './postgres.ts';
import { recordImages } from './record-images.ts';

const images = 10_000;

/** The whole log, from its start, in the batches in which it comes. */
export const read: Bench = {
  name: 'read',
  async run(scope) {
    const { log } = await startPostgresLog(scope);
    await recordImages(log, 0, images);
    let read = 0;
    const startedAt = performance.now();
    for await (const events of log.readAll(0n)) read += events.length;
    const ms = performance.now() - startedAt;
    if (read !== images * eventsPerImage) throw new Error(`${read} events came back`);
    return [{ work: `read all of ${read.toLocaleString('en')} events`, ours: perSecond(read, ms) }];
  },
};
