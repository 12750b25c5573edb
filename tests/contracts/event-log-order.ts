import assert from 'node:assert/strict';
import type { LogRule } from './event-log.ts';
import { assertOneHistory, follow, readWhole } from './event-log-samples.ts';
import { runWriters } from './event-log-writer.ts';

const processes = 4;
const writersPerProcess = 8;
const appendsPerWriter = 25;

export function orderRules(rule: LogRule): void {
  rule('a reader beside 32 writers in 4 processes skips, repeats and reorders nothing', async (under) => {
    const { log, open, writer } = under;
    const early = follow(log);
    const beside = follow(await open());
    const written = await Promise.all(
      Array.from({ length: processes }, (_, process) =>
        runWriters(writer, process, writersPerProcess, appendsPerWriter),
      ),
    );
    const appended = written.flat();
    const count = appended.reduce((sum, { ids }) => sum + ids.length, 0);
    await Promise.all([early.has(count), beside.has(count)]);
    await Promise.all([early.stop(), beside.stop()]);

    assertOneHistory(early.events);
    assert.equal(early.events.length, count);
    assert.deepEqual(beside.events, early.events);
    const whole = await readWhole(await open());
    assert.deepEqual(whole, early.events);

    const places = new Map(whole.map((event, index) => [event.id, { event, index }]));
    for (const { stream, ids, position } of appended) {
      const last = places.get(ids.at(-1) as string);
      assert.equal(last?.event.position, BigInt(position), 'an append resolves to where its last event is');
      for (const [n, id] of ids.entries()) {
        const place = places.get(id);
        assert.equal(place?.event.stream, stream);
        assert.equal(
          place?.index,
          last.index - (ids.length - 1 - n),
          'the events of an append stay together',
        );
      }
    }

    for (let sample = 0; sample < 8; sample++) {
      const index = Math.floor((sample * whole.length) / 8);
      const after = whole[index]?.position ?? assert.fail();
      assert.deepEqual(await readWhole(log, after), whole.slice(index + 1));
    }
  });
}
