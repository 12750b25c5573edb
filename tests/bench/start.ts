import { startServer, type TestServer } from '../server.ts';
import { until } from '../until.ts';
import { type Bench, type Figure, milliseconds } from './bench.ts';
import { eventsPerImage, nameOfImage } from './events.ts';
import { recordBeside } from './postgres.ts';
import { recordImages } from './record-images.ts';

const images = 5_000;
const rounds = 3;

/** From the start of the process to the first answer to somebody who logs in, with data. */
export const start: Bench = {
  name: 'start',
  async run(scope) {
    const server = await startServer(scope);
    await fill(server);
    const events = (images * eventsPerImage).toLocaleString('en');
    return [
      figureOf(`start with ${events} events after a clean stop`, await startAfter(server, 'SIGTERM')),
      figureOf(`start with ${events} events after kill -9`, await startAfter(server, 'SIGKILL')),
    ];
  },
};

/** Appends the pushes beside the server, and waits until its views show the last one. */
async function fill(server: TestServer): Promise<void> {
  await recordBeside(server, (log) => recordImages(log, 0, images));
  const { repository, tag } = nameOfImage(images - 1);
  const last = `/v2/${repository}/manifests/${tag}`;
  await until(
    'the views show the last push',
    async () => (await server.fetch(last, { method: 'HEAD' })).ok,
    60_000,
  );
}

async function startAfter(server: TestServer, signal: NodeJS.Signals): Promise<number[]> {
  const times: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    await server.stop(signal);
    const startedAt = performance.now();
    const started = server.start();
    await until(
      'the server answers',
      () =>
        server.fetch('/v2/').then(
          ({ status }) => status === 200,
          () => false,
        ),
      60_000,
    );
    times.push(performance.now() - startedAt);
    await started;
  }
  return times;
}

function figureOf(work: string, times: readonly number[]): Figure {
  const best = Math.min(...times);
  const all = times.map((ms) => milliseconds(ms)).join(', ');
  return { work, ours: all, goal: '≤ 2,000 ms', met: best <= 2000 };
}
