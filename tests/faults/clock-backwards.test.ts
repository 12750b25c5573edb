import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { makeImage, pullImage, pushImage, seeded, tagsOf } from './oci-client.ts';
import { queryPostgres } from './postgres-of.ts';

const preload = new URL('turn-back-clock.ts', import.meta.url).href;
const repository = 'library/clock';

test('the log keeps its order when the clock goes backwards between two pushes', async (t) => {
  const server = await startServer(t, { environment: { NODE_OPTIONS: `--import=${preload}` } });
  const random = seeded(8);
  const images = Array.from({ length: 9 }, () => makeImage(random));

  for (const [index, image] of images.entries()) {
    if (index === 3 || index === 6) {
      const heard = server.lines.length;
      process.kill(server.pid(), 'SIGUSR2');
      await until('the clock is turned back', () =>
        server.lines
          .slice(heard)
          .some(
            ({ msg, now }) =>
              msg === 'the clock is turned back' && Number(now) < Date.now() - index * 3_600_000,
          ),
      );
      // PostgreSQL has a clock of its own, which was ahead until now as far as it can tell.
      await queryPostgres(
        server.dataDirectory,
        'shiplog_log',
        `update event_log.events set recorded_at = recorded_at + interval '3 hours'
          where position = (select max(position) from event_log.events)`,
      );
      // The views that take a time from the event have applied it already.
      const replayed = await server.run('replay');
      assert.equal(replayed.code, 0, replayed.output);
    }
    await pushImage(server, repository, `v${index}`, image);
    await pushImage(server, repository, 'latest', image);
    assert.equal(await pullImage(server, repository, 'latest'), image.digest);
  }

  const events = (await queryPostgres(
    server.dataDirectory,
    'shiplog_log',
    'select position::int, id, recorded_at from event_log.events order by position',
  )) as { position: number; id: string; recorded_at: Date }[];
  assert.deepEqual(
    events.map(({ position }) => position),
    events.map((_, index) => index + 1),
  );
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  const times = events.map(({ recorded_at }) => recorded_at.getTime());
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );

  await server.stop('SIGKILL');
  await server.start();
  assert.equal((await tagsOf(server, repository)).length, images.length + 1);
  for (const [index, image] of images.entries()) {
    assert.equal(await pullImage(server, repository, `v${index}`), image.digest);
  }
  const verified = await server.run('verify');
  assert.equal(verified.code, 0, verified.output);
});
