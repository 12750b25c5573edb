import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRedis } from '../redis-server.ts';
import { startServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { type Answer, refusalOf, send } from './client.ts';
import { openLogOf } from './server-log.ts';
import { postForm } from './token-client.ts';

/** Few enough to be used up at once, in a window that no test sees the end of. */
const few = { SHIPLOG_RATE_LIMIT_REQUESTS_PER_SECOND: '1', SHIPLOG_RATE_LIMIT_BURST: '600' };

const isRefused = ({ status }: Answer): boolean => status === 429;

/** Asks until it is refused, and at most `most` times; the number of answers before, and the last one. */
async function useUp(ask: () => Promise<Answer>, most = 700): Promise<{ answered: number; last: Answer }> {
  for (let answered = 0; ; answered += 1) {
    const last = await ask();
    if (isRefused(last) || answered === most) return { answered, last };
  }
}

test('who asks too often is refused and told when to come back, and nobody else with him', async (t) => {
  const server = await startServer(t, {
    environment: { ...few, SHIPLOG_HTTP_TRUSTED_PROXIES: '127.0.0.1' },
  });
  const list = (as: string, address: string) =>
    send(server, 'GET', '/v2/library/x/tags/list', { as, headers: { 'x-forwarded-for': address } });
  const { answered, last } = await useUp(() => list('', '203.0.113.1'));
  assert.equal(answered, 600);
  assert.deepEqual(refusalOf(last), [429, 'TOOMANYREQUESTS']);
  assert.match(String(last.headers['retry-after']), /^[1-9]\d*$/);
  assert.ok(Number(last.headers['retry-after']) <= 600);

  const admin = `admin:${server.password}`;
  assert.equal((await list('', '203.0.113.2')).status, 404, 'another address');
  assert.equal((await list(admin, '203.0.113.1')).status, 404, 'a user at the same address');
  assert.equal(
    isRefused(await send(server, 'GET', '/v2/', { as: '', headers: { 'x-forwarded-for': '203.0.113.1' } })),
    true,
  );
  assert.equal((await send(server, 'GET', '/readyz', { as: '' })).status, 200);
});

test('who asks too often for a refresh token is refused before one is recorded', async (t) => {
  const server = await startServer(t, { environment: few });
  const log = await openLogOf(t, server);
  const byGet = () => send(server, 'GET', '/service/token?service=harbor-registry&offline_token=true');
  const byForm = () =>
    postForm(server, {
      grant_type: 'password',
      username: 'admin',
      password: server.password,
      access_type: 'offline',
    });
  assert.equal((await byGet()).status, 200);
  const { answered } = await useUp(() => send(server, 'GET', '/v2/library/x/tags/list'));
  assert.equal(answered, 599);
  for (const ask of [byGet, byForm]) assert.deepEqual(refusalOf(await ask()), [429, 'TOOMANYREQUESTS']);

  const issued: string[] = [];
  for await (const events of log.readAll(0n))
    issued.push(...events.map(({ type }) => type).filter((type) => type === 'RefreshTokenIssued'));
  assert.equal(issued.length, 1);
});

test('an address has a limit of its own, which holds before credentials are looked at', async (t) => {
  const server = await startServer(t, {
    environment: {
      SHIPLOG_RATE_LIMIT_ADDRESS_REQUESTS_PER_SECOND: '1',
      SHIPLOG_RATE_LIMIT_ADDRESS_BURST: '600',
      SHIPLOG_HTTP_TRUSTED_PROXIES: '127.0.0.1',
    },
  });
  const from = (address: string, as = '', path = '/nowhere') =>
    send(server, 'GET', path, { as, headers: { 'x-forwarded-for': address } });
  const { answered } = await useUp(() => from('203.0.113.1'));
  assert.equal(answered, 600);
  assert.deepEqual(refusalOf(await from('203.0.113.1', 'admin:wrong', '/v2/')), [429, 'TOOMANYREQUESTS']);
  assert.equal((await from('203.0.113.2')).status, 404);
  // Health checks come from anywhere and are not counted; metrics cost more.
  for (const path of ['/healthz', '/readyz']) assert.equal((await from('203.0.113.1', '', path)).status, 200);
  assert.equal((await from('203.0.113.1', '', '/metrics')).status, 429);

  const mapped = await from('::ffff:203.0.113.1');
  assert.equal(isRefused(mapped), true, 'an address of IPv4 in the notation of IPv6 is the same');

  assert.equal((await useUp(() => from('2001:db8::1'))).answered, 600);
  assert.equal(isRefused(await from('2001:db8:0:0:ffff::2')), true, 'a network of IPv6 is one client');
  assert.equal(isRefused(await from('2001:db8:0:1::1')), false);
});

test('servers with one Redis count together, and go on answering without it', async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  const redis = await startRedis(t, program);
  const environment = {
    ...few,
    SHIPLOG_EXTERNAL_REDIS_HOST: redis.address,
    SHIPLOG_EXTERNAL_REDIS_PASSWORD: redis.password,
  };
  const servers = await Promise.all([startServer(t, { environment }), startServer(t, { environment })]);
  const [one, other] = servers;
  const list = (server: typeof one) => send(server, 'GET', '/v2/library/x/tags/list', { as: '' });
  assert.ok((await useUp(() => list(one))).answered <= 600);
  assert.equal(isRefused(await list(other)), true, 'what was used up at one cannot be had at the other');

  await redis.kill();
  const admin = () => send(other, 'GET', '/v2/library/x/tags/list');
  assert.equal((await admin()).status, 404, 'nobody is turned away because Redis is gone');
  assert.equal((await send(other, 'GET', '/readyz', { as: '' })).status, 200);
  await until('the operator is told', () =>
    other.lines.some(({ msg }) => msg === 'Redis is away; Shiplog goes on without it'),
  );
  assert.doesNotMatch(JSON.stringify(servers.map(({ lines }) => lines)), new RegExp(redis.password));
});
