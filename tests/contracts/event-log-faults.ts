import assert from 'node:assert/strict';
import type { RecordedEvent } from '../../domain/event.ts';
import { type EventLog, type ExpectedRevision, LogUnavailable } from '../../infra/event-log/port.ts';
import { until } from '../until.ts';
import type { LogAbilities, LogRule } from './event-log.ts';
import {
  anEvent,
  assertOneHistory,
  assertRecorded,
  follow,
  readWhole,
  someEvents,
} from './event-log-samples.ts';

/** Writers that repeat an append with the same ids until it is acknowledged, each on a stream of its own. */
class PersistentWriters {
  readonly acknowledged = new Map<string, bigint>();
  rejections = 0;
  #stopped = false;
  readonly #writing: Promise<void>[];

  constructor(log: EventLog, writers: number) {
    this.#writing = Array.from({ length: writers }, (_, n) => this.#write(log, `tag/${n}`, n % 2 === 0));
    for (const writing of this.#writing) writing.catch(() => undefined);
  }

  /** Resolves when `count` appends more are acknowledged; rejects when a writer failed. */
  async acknowledgeMore(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    const failed = Promise.all(this.#writing);
    await Promise.race([
      failed,
      until(`${count} appends were acknowledged`, () => this.acknowledged.size >= goal, 45_000),
    ]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writing);
  }

  async #write(log: EventLog, stream: string, exact: boolean): Promise<void> {
    let revision: ExpectedRevision = 'none';
    while (!this.#stopped) {
      const events = someEvents(2);
      const position = await this.#persist(log, stream, exact ? revision : 'any', events);
      this.acknowledged.set(events[1]?.id ?? assert.fail(), position);
      revision = (revision === 'none' ? -1n : revision) + 2n;
    }
  }

  async #persist(...[log, ...append]: [EventLog, ...Parameters<EventLog['append']>]): Promise<bigint> {
    for (;;) {
      try {
        return await log.append(...append);
      } catch (error) {
        if (!(error instanceof LogUnavailable)) throw error;
        this.rejections++;
        await until('the log answers again', () => answers(log), 45_000);
      }
    }
  }
}

async function answers(log: EventLog): Promise<boolean> {
  try {
    await log.head();
    return true;
  } catch (error) {
    if (error instanceof LogUnavailable) return false;
    throw error;
  }
}

/** The whole log, read again from the start where the engine is not well yet after a fault. */
async function readWholeAfterFault(log: EventLog): Promise<RecordedEvent[]> {
  let whole: RecordedEvent[] = [];
  const isRead = async () => {
    try {
      whole = await readWhole(log);
      return true;
    } catch (error) {
      if (error instanceof LogUnavailable) return false;
      throw error;
    }
  };
  await until('the whole log can be read', isRead, 45_000);
  return whole;
}

/** A fault that the run has promised. */
function promised<Fault>(fault: Fault | undefined): Fault {
  assert.ok(fault, 'the run names a fault that it does not give');
  return fault;
}

export function faultRules(rule: LogRule, { faults }: LogAbilities): void {
  if (faults.includes('restart')) restartRules(rule);
  if (faults.includes('cut')) cutRules(rule);
}

function restartRules(rule: LogRule): void {
  rule(
    'a killed engine loses nothing that it acknowledged, and readers go on where they were',
    async (under) => {
      const { log, open } = under;
      const restartEngine = promised(under.restartEngine);
      const follower = follow(log);
      const other = follow(await open());
      const writers = new PersistentWriters(log, 8);
      await writers.acknowledgeMore(100);
      await restartEngine();
      await writers.acknowledgeMore(100);
      await restartEngine();
      await writers.acknowledgeMore(100);
      await writers.stop();

      const whole = await readWholeAfterFault(log);
      assertOneHistory(whole);
      const positions = new Map(whole.map(({ id, position }) => [id, position]));
      for (const [id, position] of writers.acknowledged) assert.equal(positions.get(id), position);
      // Whatever was rejected was repeated until it was acknowledged, so there is nothing else.
      assert.equal(whole.length, writers.acknowledged.size * 2);

      await Promise.all([follower.has(whole.length), other.has(whole.length)]);
      await Promise.all([follower.stop(), other.stop()]);
      assert.deepEqual(follower.events, whole);
      assert.deepEqual(other.events, whole);
    },
  );
}

function cutRules(rule: LogRule): void {
  rule('without its engine the log says so, and it works again when the engine is back', async (under) => {
    const { log, open } = under;
    const cut = promised(under.cut);
    const other = await open();
    const first = someEvents(2);
    const second = someEvents(2);
    const firstPosition = await log.append('tag/a', 'none', first);
    const follower = follow(other);
    await follower.has(2);

    const restore = await cut();
    for (const refused of [
      () => log.append('tag/a', 1n, second),
      () => log.append('tag/b', 'any', [anEvent()]),
      () => log.appendMany([{ stream: 'tag/c', expectedRevision: 'none', events: [anEvent()] }]),
      () => log.readStream('tag/a'),
      () => log.head(),
      () => readWhole(log),
    ])
      await assert.rejects(refused, LogUnavailable);
    await restore();

    await until('the log answers again', () => answers(log));
    await until('the other client answers again', () => answers(other));
    assert.equal(await log.append('tag/a', 'none', first), firstPosition);
    await log.append('tag/a', 1n, second);
    // What was refused for tag/b and tag/c may have happened, or may happen yet.
    const ofA = () => follower.events.filter(({ stream }) => stream === 'tag/a');
    await until('the events of tag/a arrived', () => ofA().length >= 4);
    await follower.stop();
    const whole = (await log.readStream('tag/a')).events;
    assertRecorded(whole, 'tag/a', [...first, ...second]);
    assert.deepEqual(ofA(), whole);
  });

  rule('a connection that breaks again and again loses and repeats nothing', async (under) => {
    const { log, open } = under;
    const cut = promised(under.cut);
    const follower = follow(await open());
    const writers = new PersistentWriters(log, 8);
    for (let round = 0; round < 4; round++) {
      await writers.acknowledgeMore(40);
      const restore = await cut();
      await restore();
    }
    await writers.acknowledgeMore(40);
    await writers.stop();
    const whole = await readWholeAfterFault(log);
    assertOneHistory(whole);
    assert.equal(whole.length, writers.acknowledged.size * 2);
    await follower.has(whole.length);
    await follower.stop();
    assert.deepEqual(follower.events, whole);
  });
}
