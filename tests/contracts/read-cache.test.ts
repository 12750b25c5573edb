import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { CachedQuestion } from '../../infra/database/cached-question.ts';
import { connectDatabase } from '../../infra/database/connect.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { openPostgresLog } from '../../infra/event-log/postgres.ts';
import { boundedAnswers } from '../../infra/read-cache/answers.ts';
import { openReadCache, type ReadCacheOptions } from '../../infra/read-cache/read-cache.ts';
import { readIndex } from '../../infra/read-cache/read-index.ts';
import { until } from '../until.ts';
import {
  type Counted,
  counted,
  countedCatalogue,
  counting,
  type Runner,
  run,
  type Setting,
  startSetting,
} from './views-setting.ts';

const question = (view: Projection<Counted>): CachedQuestion<Counted, [key: string]> => ({
  view,
  subjectOf: (key) => key,
  touchedBy: ({ data: { key } }) => [key],
});

/** A view that counts, and the question how often, cached. `ask` is what the cache asks. */
async function startCounting(t: TestContext) {
  const setting = await startSetting(t);
  const view = counting('counts');
  const runner = await run(setting, { projections: [view] });
  await runner.caughtUp();
  const countOf = async (key: string): Promise<number> => {
    const { rows } = await runner.database.pool.query('SELECT events FROM counts_v1.counts WHERE key = $1', [
      key,
    ]);
    return rows[0]?.events ?? 0;
  };
  return {
    setting,
    view,
    runner,
    countOf,
    /** Resolves when the view shows it, as who pushes is answered. */
    async record(key: string): Promise<bigint> {
      const position = await setting.log.append(`count/${key}`, 'any', [counted(key)]);
      await runner.reached(position, [view]);
      return position;
    },
  };
}

async function openCache(setting: Setting, runner: Runner, options: Partial<ReadCacheOptions> = {}) {
  const cache = await openReadCache({
    log: setting.log,
    views: runner,
    catalogue: countedCatalogue,
    max: 1000,
    onOutage: (error) => assert.fail(`the log cannot be followed: ${error}`),
    ...options,
  });
  setting.open.defer(() => cache.close());
  return cache;
}

test('what nothing has touched is answered without asking the view, also that there is nothing', async (t) => {
  const { setting, view, runner, countOf, record } = await startCounting(t);
  await record('a');
  const cache = await openCache(setting, runner);
  const read = cache.cached(question(view), countOf);
  assert.deepEqual([await read('a'), await read('nothing')], [1, 0]);

  let queries = 0;
  runner.database.pool.on('acquire', () => queries++);
  for (let n = 0; n < 20; n++) assert.deepEqual([await read('a'), await read('nothing')], [1, 0]);

  assert.equal(queries, 0);
  assert.deepEqual(cache.counts(), { kept: 40, asked: 2, bypassed: 0 });
});

test('who has seen a write succeed reads it, in the process that wrote and in another one', async (t) => {
  const { setting, view, runner, countOf, record } = await startCounting(t);
  const elsewhere = await connectDatabase({
    connection: setting.connections.log,
    poolSize: 4,
    waitMs: 30_000,
  });
  setting.open.defer(() => elsewhere.close());
  const sameLog = await openPostgresLog(elsewhere);
  setting.open.defer(() => sameLog.close());
  const here = (await openCache(setting, runner)).cached(question(view), countOf);
  const there = (await openCache(setting, runner, { log: sameLog })).cached(question(view), countOf);

  for (let n = 1; n <= 100; n++) {
    await record('a');
    assert.deepEqual([await there('a'), await here('a')], [n, n]);
    // Kept by now, mostly, for the next round to find.
    assert.deepEqual([await there('a'), await here('a')], [n, n]);
  }
});

test('an answer that was under way when an event came is given to who asked before, and to nobody after', async (t) => {
  const { setting, view, runner, countOf, record } = await startCounting(t);
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const cache = await openCache(setting, runner);
  const read = cache.cached(question(view), async (key) => {
    begun += 1;
    const count = await countOf(key);
    if (begun === 1) await gate.promise;
    return count;
  });
  const slow = read('a');
  await until('the view is asked', () => begun === 1);
  await record('a');

  assert.equal(await read('a'), 1);
  gate.resolve();
  assert.equal(await slow, 0);
  assert.equal(await read('a'), 1);
});

test('who asks for the same at the same time shares one query', async (t) => {
  const { setting, view, runner, countOf } = await startCounting(t);
  let asked = 0;
  const cache = await openCache(setting, runner);
  const read = cache.cached(question(view), (key) => {
    asked += 1;
    return countOf(key);
  });
  await Promise.all(Array.from({ length: 50 }, () => read('a')));
  assert.equal(asked, 1);
});

test('an answer of a view that is behind what the cache has followed is not kept', async (t) => {
  const { setting, view, runner, countOf } = await startCounting(t);
  const cache = await openCache(setting, runner);
  const read = cache.cached(question(view), countOf);
  const holder = await setting.connect();
  const held = await holder.pool.connect();
  // Lets reads through and no write.
  await held.query('BEGIN; LOCK TABLE counts_v1.incoming IN EXCLUSIVE MODE');
  const position = await setting.log.append('count/a', 'any', [counted('a')]);
  assert.equal(await read('a'), 0, 'nobody was told yet that it is recorded');
  assert.equal(cache.counts().asked, 0);

  await held.query('ROLLBACK');
  held.release();
  await runner.reached(position, [view]);
  assert.equal(await read('a'), 1);
});

test('an error is not kept', async (t) => {
  const { setting, view, runner, countOf } = await startCounting(t);
  let fails = true;
  const cache = await openCache(setting, runner);
  const read = cache.cached(question(view), async (key) => {
    if (fails) throw new Error('the database is away');
    return countOf(key);
  });
  await assert.rejects(read('a'), /away/);
  fails = false;
  assert.equal(await read('a'), 0);
});

test('while the views are in doubt nothing is answered from memory either', async (t) => {
  const { setting, view, runner, countOf } = await startCounting(t);
  let doubt = false;
  const cache = await openCache(setting, runner, {
    views: {
      ...runner,
      requireCurrent() {
        if (doubt) throw new Error('in doubt');
      },
    },
  });
  const read = cache.cached(question(view), countOf);
  await read('a');
  doubt = true;
  await assert.rejects(read('a'), /in doubt/);
});

test('while the log is silent, away or back at an earlier time the views are asked', async (t) => {
  const { setting, view, runner, countOf, record } = await startCounting(t);
  await record('a');
  let head = (): Promise<bigint> => setting.log.head();
  const { log } = setting;
  const cache = await openCache(setting, runner, {
    log: { head: () => head(), subscribe: log.subscribe.bind(log) },
  });
  const read = cache.cached(question(view), countOf);
  await read('a');
  await read('a');
  assert.equal(cache.counts().bypassed, 0);

  const silence = Promise.withResolvers<bigint>();
  head = () => silence.promise;
  await Promise.all([read('a'), read('a'), read('a')]);
  assert.equal(cache.counts().bypassed, 3);
  // From now on nobody waits for it.
  for (let n = 0; n < 50; n++) await read('a');
  assert.equal(cache.counts().bypassed, 53);
  silence.resolve(await log.head());
  head = async () => Promise.reject(new Error('away'));
  await until('it speaks again', async () => {
    await read('a');
    return cache.counts().bypassed > 54;
  });

  head = async () => 0n;
  const { kept, asked } = cache.counts();
  await read('a');
  head = () => log.head();
  await read('a');
  assert.deepEqual(
    [cache.counts().kept, cache.counts().asked],
    [kept, asked + 1],
    'what was kept before is about another log',
  );
});

test('a log that cannot be followed is told once, and again when it was followed in between', async (t) => {
  const { setting, view, runner, countOf, record } = await startCounting(t);
  const outages: unknown[] = [];
  const { log } = setting;
  const fault = new Error('a fault that stays');
  let attempts = 0;
  let isBroken = true;
  const cache = await openCache(setting, runner, {
    onOutage: (error) => outages.push(error),
    log: {
      head: log.head.bind(log),
      async *subscribe(after, signal) {
        attempts += 1;
        if (isBroken) throw fault;
        for await (const events of log.subscribe(after, signal)) {
          yield events;
          if (isBroken) return;
        }
      },
    },
  });
  await until('it is tried again', () => attempts > 2);
  assert.deepEqual(outages, [fault]);

  isBroken = false;
  const read = cache.cached(question(view), countOf);
  await until('it follows again', async () => {
    await record('a');
    await read('a');
    return cache.counts().asked > 0;
  });
  assert.equal(outages.length, 1);
  isBroken = true;
  await record('a');
  await until('it is told', () => outages.length > 1);
  assert.match(String(outages[1]), /ended the subscription/);
});

test('all reads of one moment share one question for the head, and a later moment asks again', async (t) => {
  const { setting, view, runner, countOf } = await startCounting(t);
  let heads = 0;
  const { log } = setting;
  const cache = await openCache(setting, runner, {
    log: {
      head() {
        heads += 1;
        return log.head();
      },
      subscribe: log.subscribe.bind(log),
    },
  });
  const read = cache.cached(question(view), countOf);
  heads = 0;
  const readThrice = async () => {
    for (const key of ['a', 'b', 'c']) await read(key);
  };
  await cache.asOfNow(readThrice);
  assert.equal(heads, 1);
  await cache.asOfNow(readThrice);
  assert.equal(heads, 2);
});

test('an event that this version does not know drops everything', async (t) => {
  const { setting, view, runner, countOf } = await startCounting(t);
  // Of a view that has gone beyond what this cache understands, as during an upgrade.
  const cache = await openCache(setting, runner, { catalogue: new Map() });
  const read = cache.cached(question(view), countOf);
  await read('a');
  const position = await setting.log.append('count/b', 'any', [counted('b')]);
  await runner.reached(position, [view]);
  await read('a');
  assert.equal(cache.counts().kept, 0);
});

test('what a view showed before it was built anew is not answered any more', async (t) => {
  const { setting, view, runner, countOf, record } = await startCounting(t);
  let restarts = 0;
  const cache = await openCache(setting, runner, { views: { ...runner, restarts: () => restarts } });
  const read = cache.cached(question(view), countOf);
  await record('a');
  await until('it is kept', async () => {
    await read('a');
    return cache.counts().kept > 0;
  });
  await runner.database.pool.query("UPDATE counts_v1.counts SET events = 7 WHERE key = 'a'");
  assert.equal(await read('a'), 1);
  restarts += 1;
  assert.equal(await read('a'), 7);
});

test('one is told a head that was asked for after he called, and all who call meanwhile are told the same', async () => {
  const answers: PromiseWithResolvers<bigint>[] = [];
  const ask = readIndex(() => {
    const answer = Promise.withResolvers<bigint>();
    answers.push(answer);
    return answer.promise;
  });
  const first = [ask(), ask()];
  await until('the first question is asked', () => answers.length > 0);
  const others = [ask(), ask(), ask()];
  assert.equal(answers.length, 1);
  answers[0]?.resolve(1n);
  assert.deepEqual(await Promise.all(first), [1n, 1n]);
  await until('the next question is asked', () => answers.length === 2);
  answers[1]?.resolve(2n);
  assert.deepEqual(await Promise.all(others), [2n, 2n, 2n]);

  const failing = ask();
  await until('the third question is asked', () => answers.length === 3);
  const waiting = ask();
  answers[2]?.reject(new Error('away'));
  await assert.rejects(failing, /away/);
  await until('a failure ends nobody else’s question', () => answers.length === 4);
  answers[3]?.resolve(4n);
  assert.equal(await waiting, 4n);
});

test('answers are bounded, and a subject drops all that are about it', async () => {
  const answers = boundedAnswers(3);
  for (const key of ['a1', 'a2', 'b1', 'b2']) answers.keep(key, key.charAt(0), Promise.resolve(key));
  assert.deepEqual(
    ['a1', 'a2', 'b1', 'b2'].map((key) => answers.find(key) !== undefined),
    [false, true, true, true],
  );
  answers.drop('b');
  assert.equal(answers.find('b1') ?? answers.find('b2'), undefined);
  assert.equal(await answers.find('a2'), 'a2');
  answers.keep('x'.repeat(10_000), 'x', Promise.resolve('x'));
  assert.equal(answers.find('x'.repeat(10_000)), undefined, 'a long key is not worth the memory');
});
