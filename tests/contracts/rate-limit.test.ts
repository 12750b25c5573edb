import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { loadConfiguration } from '../../infra/configuration/load.ts';
import { inProcessRateLimit } from '../../infra/rate-limit/in-process.ts';
import { type Rate, type RateLimit, rateOf } from '../../infra/rate-limit/port.ts';
import { redisRateLimit } from '../../infra/rate-limit/redis.ts';
import { openRedis } from '../../infra/redis/connect.ts';
import { startRedis } from '../redis-server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';

type Open = (t: TestContext, rate: Rate) => Promise<RateLimit | undefined>;

/** Long enough that no test sees its end. */
const hour = 3600;

/** What every adapter holds. */
function rateLimitContract(engine: string, open: Open): void {
  test(`${engine}: a key may as often as it may, and is then told to wait until its window ends`, async (t) => {
    const limit = await open(t, { count: 3, seconds: hour });
    if (limit === undefined) return;
    for (let times = 0; times < 3; times += 1) assert.equal(await limit.take('a'), undefined);
    for (let times = 0; times < 3; times += 1) {
      const wait = (await limit.take('a')) ?? 0;
      assert.ok(wait > 0 && wait <= hour * 1000, `${wait}`);
    }
  });

  test(`${engine}: one key takes nothing from another`, async (t) => {
    const limit = await open(t, { count: 1, seconds: hour });
    if (limit === undefined) return;
    for (const key of ['a', 'a:b', 'A', 'é', '*', 'x'.repeat(300)])
      assert.equal(await limit.take(key), undefined, key);
    assert.notEqual(await limit.take('a'), undefined);
  });

  test(`${engine}: of many at once exactly as many may as may`, async (t) => {
    const limit = await open(t, { count: 50, seconds: hour });
    if (limit === undefined) return;
    const waits = await Promise.all(Array.from({ length: 200 }, () => limit.take('a')));
    assert.equal(waits.filter((wait) => wait === undefined).length, 50);
  });

  test(`${engine}: who has waited may again`, async (t) => {
    const limit = await open(t, { count: 1, seconds: 1 });
    if (limit === undefined) return;
    await limit.take('a');
    await until('it may again', async () => (await limit.take('a')) === undefined);
  });
}

rateLimitContract('in process', async (_t, rate) => inProcessRateLimit(rate));
rateLimitContract('redis', async (t, rate) => (await redisLimits(t, rate))?.limits[0]);

/** Two processes' worth of limits on one Redis. */
async function redisLimits(t: TestContext, rate: Rate) {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return undefined;
  const server = await startRedis(t, program);
  const configuration = await loadConfiguration({
    environment: {
      SHIPLOG_EXTERNAL_REDIS_HOST: server.address,
      SHIPLOG_EXTERNAL_REDIS_PASSWORD: server.password,
    },
  });
  const said: string[] = [];
  const logger = {
    info: (message: string) => void said.push(message),
    warn: (_detail: object, message: string) => void said.push(message),
  };
  const open = async () => {
    const redis = await openRedis(configuration, logger);
    assert.ok(redis !== undefined);
    t.after(() => redis.disconnect());
    await until('it is connected', () => redis.status === 'ready');
    return redis;
  };
  const connections = [await open(), await open()];
  const report = () => void said.push('away');
  const limits = connections.map((redis) => redisRateLimit(redis, 'test', rate, report));
  return { server, connections, limits, said };
}

test('processes with one Redis count together', async (t) => {
  const redis = await redisLimits(t, { count: 4, seconds: hour });
  if (redis === undefined) return;
  const [one, other] = redis.limits;
  for (let times = 0; times < 2; times += 1) {
    assert.equal(await one?.take('a'), undefined);
    assert.equal(await other?.take('a'), undefined);
  }
  assert.notEqual(await one?.take('a'), undefined);
  assert.notEqual(await other?.take('a'), undefined);
});

for (const [what, leave, comeBack] of [
  ['gone', 'kill', 'start'],
  ['silent', 'freeze', 'resume'],
] as const) {
  test(`while Redis is ${what} each process counts for itself, and together again when it is back`, async (t) => {
    const redis = await redisLimits(t, { count: 2, seconds: hour });
    if (redis === undefined) return;
    const [one, other] = redis.limits;
    await redis.server[leave]();
    for (const limit of [one, other]) {
      assert.equal(await limit?.take('a'), undefined);
      assert.equal(await limit?.take('a'), undefined);
      assert.notEqual(await limit?.take('a'), undefined, 'a limit holds also without Redis');
    }
    await redis.server[comeBack]();
    assert.equal(redis.said.filter((line) => line === 'away').length, 2, 'each says it once');
    let key = 0;
    // Another key each time, until it turns out that what one has used up the other cannot have.
    await until('they count together', async () => {
      key += 1;
      await one?.take(`b${key}`);
      await one?.take(`b${key}`);
      return (await other?.take(`b${key}`)) !== undefined;
    });
  });
}

test('a rate is kept over its window, of ten seconds unless the burst says otherwise', () => {
  assert.equal(rateOf(0, 100), undefined);
  assert.deepEqual(rateOf(5, 0), { count: 50, seconds: 10 });
  assert.deepEqual(rateOf(10, 100), { count: 100, seconds: 10 });
  assert.deepEqual(rateOf(100, 20), { count: 100, seconds: 1 });
  assert.deepEqual(rateOf(3, 10), { count: 12, seconds: 4 });
});
