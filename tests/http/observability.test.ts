import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { schemaOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { projections } from '../../projections/projections.ts';
import { tags } from '../../projections/tags/projection.ts';
import { openLog } from '../contracts/event-log-postgres-client.ts';
import { freePort } from '../free-port.ts';
import { startPostgres } from '../postgres.ts';
import { startServer } from '../server.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { until } from '../until.ts';
import { pushImage, refusalOf, send } from './client.ts';
import { openLogOf } from './server-log.ts';

/** The samples of a scrape, by name and labels as they are written. */
async function scrape(server: { readonly url: string }, path = '/metrics'): Promise<Map<string, number>> {
  const answer = await fetch(`${server.url}${path}`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

test('a server that runs', async (t) => {
  const server = await startServer(t);
  await pushImage(server, 'library/measured', '1.0');
  await pushImage(server, 'library/measured', '1.0', 'another');

  await t.test('says that it is healthy and ready, to anyone', async () => {
    const health = await fetch(`${server.url}/healthz`);
    assert.deepEqual([health.status, await health.json()], [200, { status: 'healthy' }]);
    const ready = await fetch(`${server.url}/readyz`);
    const components = ['log', 'views'].map((name) => ({ name, status: 'healthy' }));
    assert.deepEqual([ready.status, await ready.json()], [200, { status: 'healthy', components }]);
  });

  await t.test('counts requests by method, route and status, and never by path', async () => {
    const before = await scrape(server);
    const series = (method: string, route: string, code: number) =>
      `shiplog_http_request_duration_seconds_count{method="${method}",route="${route}",code="${code}"}`;
    const manifest = series('GET', '/v2/:name/manifests/:reference', 200);
    const missing = series('GET', '/v2/:name/manifests/:reference', 404);
    for (const reference of ['1.0', '1.0', 'never-pushed']) {
      await send(server, 'GET', `/v2/library/measured/manifests/${reference}`);
    }
    await send(server, 'GET', '/v2/library/measured/nowhere');

    // A request is counted when its answer is out, which the client may see a moment before.
    await until('the requests are counted', async () => {
      const after = await scrape(server);
      const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
      return grown(manifest) === 2 && grown(missing) === 1;
    });
    for (const name of (await scrape(server)).keys()) {
      assert.doesNotMatch(name, /measured|never-pushed|nowhere/);
    }
  });

  await t.test('shows the log and how far each projection is', async () => {
    const log = await openLogOf(t, server);
    const headIn = (of: Map<string, number>) => of.get('shiplog_log_head_position') ?? 0;
    let samples = await scrape(server);
    // Pulls are recorded a moment later.
    await until('the log is still', async () => {
      samples = await scrape(server);
      return BigInt(headIn(samples)) === (await log.head());
    });
    const head = headIn(samples);
    // Nobody else has appended anything.
    assert.equal(samples.get('shiplog_log_appended_events_total'), head);
    assert.equal(samples.get('shiplog_background_events_dropped_total'), 0);
    assert.ok((samples.get('shiplog_log_append_duration_seconds_count') ?? 0) >= 5);
    assert.equal(samples.get('shiplog_log_conflicts_total'), 0);
    const types: string[] = [];
    for await (const batch of log.readAll(0n)) types.push(...batch.map(({ type }) => type));
    for (const { name: projection, handles } of projections) {
      const events = types.filter((type) => handles.includes(type)).length;
      const of = (name: string) => samples.get(`shiplog_projection_${name}{projection="${projection}"}`);
      assert.deepEqual(
        [of('position'), of('lag_events'), of('stopped'), of('events_total')],
        [head, 0, 0, events],
        projection,
      );
    }
  });

  await t.test('shows the requests that are under way, and forgets one whose client went away', async () => {
    const { hostname, port } = new URL(server.url);
    const inFlight = async () => (await scrape(server)).get('shiplog_http_requests_in_flight') ?? 0;
    const idle = await inFlight();
    const socket = connect({ host: hostname, port: Number(port) });
    await once(socket, 'connect');
    const authorization = Buffer.from(`admin:${server.password}`).toString('base64');
    socket.write(
      `POST /v2/library/measured/blobs/uploads/?digest=sha256:${'a'.repeat(64)} HTTP/1.1\r\n` +
        `Host: ${hostname}\r\nAuthorization: Basic ${authorization}\r\nContent-Length: 1000\r\n\r\nx`,
    );
    await until('the request is under way', async () => (await inFlight()) === idle + 1);
    socket.destroy();
    await until('the request is over', async () => (await inFlight()) === idle);
  });
});

test('metrics can have a port and a path of their own, and are then not beside the API', async (t) => {
  const port = await freePort();
  const server = await startServer(t, {
    environment: { SHIPLOG_METRIC_PORT: String(port), SHIPLOG_METRIC_PATH: '/numbers' },
  });
  const samples = await scrape({ url: `http://127.0.0.1:${port}` }, '/numbers');
  assert.ok((samples.get('shiplog_log_head_position') ?? 0) > 0);
  for (const path of ['/numbers', '/metrics']) {
    assert.deepEqual(refusalOf(await send(server, 'GET', path)), [404, 'UNSUPPORTED']);
  }
});

test('until the views show what the log holds, the registry answers 503 and says that it is not ready', async (t) => {
  const { connection } = await startPostgres(t);
  const direct = connection();
  const proxy = await startTcpProxy(t, { path: join(direct.host, `.s.PGSQL.${direct.port}`) });
  const { user, password, database } = direct;
  const url = `postgres://${user}:${encodeURIComponent(String(password))}@127.0.0.1:${proxy.port}/${database}`;
  const server = await startServer(t, { environment: { SHIPLOG_DATABASE_URL: url } });
  const { digest } = await pushImage(server, 'library/waiting', '1.0');
  await server.stop();

  // Another process has the tags in its hands and does not move, while the log goes on.
  const other = new pg.Client(direct);
  await other.connect();
  t.after(() => other.end());
  const lock = `hashtextextended('shiplog.view.${schemaOf(tags)}', 0)`;
  await other.query(`SELECT pg_advisory_lock(${lock})`);
  const log = await openLog(JSON.stringify(direct));
  t.after(() => log.close());
  const data = { repository: 'library/waiting', tag: '2.0', digest };
  const metadata = { actor: 'system' };
  await log.append('tag/library/waiting:2.0', 'none', [
    { id: newEventId(), type: 'TagAssigned', version: 1, data, metadata },
  ]);

  const starting = server.start();
  await until('the server listens', () =>
    fetch(`${server.url}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  for (const path of ['/v2/', '/v2/library/waiting/manifests/2.0', '/v2/library/waiting/tags/list']) {
    const answer = await send(server, 'GET', path);
    assert.deepEqual(refusalOf(answer), [503, 'UNAVAILABLE'], 'a 404 would be a lie');
    assert.equal(answer.headers['retry-after'], '1');
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  }
  const health = await send(server, 'GET', '/api/v2.0/health', { as: '' });
  assert.deepEqual([health.status, JSON.parse(health.body.toString()).status], [200, 'unhealthy']);
  const ready = await fetch(`${server.url}/readyz`);
  assert.deepEqual(
    [ready.status, await ready.json()],
    [
      503,
      {
        status: 'unhealthy',
        components: [
          { name: 'log', status: 'healthy' },
          { name: 'views', status: 'unhealthy' },
        ],
      },
    ],
  );
  assert.equal((await scrape(server)).get('shiplog_projection_lag_events{projection="tags"}'), 1);

  await other.query(`SELECT pg_advisory_unlock(${lock})`);
  await starting;
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  const pulled = await send(server, 'GET', '/v2/library/waiting/manifests/2.0');
  assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, digest]);
});
