import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, exposeProgress } from '../infra/telemetry/metrics.ts';

test('the registry is its own and has the instruments and the metrics of the process', async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  one.httpRequestDuration.observe(
    { method: 'GET', route: '/v2/:name/manifests/:reference', code: 200 },
    0.002,
  );
  one.httpRequestsInFlight.inc();
  const text = await one.registry.metrics();
  assert.match(
    text,
    /shiplog_http_request_duration_seconds_bucket\{le="0.0025",method="GET",route="\/v2\/:name\/manifests\/:reference",code="200"\} 1/,
  );
  assert.match(text, /^shiplog_http_requests_in_flight 1$/m);
  assert.match(text, /^shiplog_log_conflicts_total 0$/m);
  assert.match(text, /^process_resident_memory_bytes \d/m);
  assert.match(await other.registry.metrics(), /^shiplog_http_requests_in_flight 0$/m);
});

test('the head of the log is read at each scrape, and left out while it cannot be read', async () => {
  const metrics = createMetrics();
  let head = async () => 41n;
  exposeProgress(metrics, { head: () => head(), projections: async () => [] });
  const sample = async () =>
    (await metrics.registry.metrics()).match(/^shiplog_log_head_position (.*)$/m)?.[1];

  assert.equal(await sample(), '41');
  head = async () => 42n;
  assert.equal(await sample(), '42');
  head = () => Promise.reject(new Error('the log is down'));
  assert.equal(await sample(), undefined);
  head = () => new Promise(() => undefined);
  assert.equal(await sample(), undefined);
  head = async () => 43n;
  assert.equal(await sample(), '43');
});

test('projections are shown as they are at each scrape, and those that are gone no longer', async () => {
  const metrics = createMetrics();
  const tags = { projection: 'tags', position: 7n, appliedEvents: 5, stopped: false };
  let running = [tags, { ...tags, projection: 'artifacts', stopped: true }];
  let head = async () => 10n;
  exposeProgress(metrics, { head: () => head(), projections: async () => running });
  const samples = async () =>
    (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith('shiplog_projection_'));

  assert.deepEqual(await samples(), [
    'shiplog_projection_position{projection="tags"} 7',
    'shiplog_projection_position{projection="artifacts"} 7',
    'shiplog_projection_lag_events{projection="tags"} 3',
    'shiplog_projection_lag_events{projection="artifacts"} 3',
    'shiplog_projection_stopped{projection="tags"} 0',
    'shiplog_projection_stopped{projection="artifacts"} 1',
    'shiplog_projection_events_total{projection="tags"} 5',
    'shiplog_projection_events_total{projection="artifacts"} 5',
  ]);
  running = [{ ...tags, position: 8n, appliedEvents: 6 }];
  assert.deepEqual(await samples(), [
    'shiplog_projection_position{projection="tags"} 8',
    'shiplog_projection_lag_events{projection="tags"} 2',
    'shiplog_projection_stopped{projection="tags"} 0',
    'shiplog_projection_events_total{projection="tags"} 6',
  ]);
  head = () => Promise.reject(new Error('the log is down'));
  assert.deepEqual(await samples(), [
    'shiplog_projection_position{projection="tags"} 8',
    'shiplog_projection_stopped{projection="tags"} 0',
    'shiplog_projection_events_total{projection="tags"} 6',
  ]);
});

test('the log and the views are asked once for a scrape, and for all scrapes at the same time', async () => {
  const metrics = createMetrics();
  const asked = { head: 0, projections: 0 };
  exposeProgress(metrics, {
    async head() {
      asked.head += 1;
      return 7n;
    },
    async projections() {
      asked.projections += 1;
      return [{ projection: 'tags', position: 7n, appliedEvents: 5, stopped: false }];
    },
  });
  await metrics.registry.metrics();
  assert.deepEqual(asked, { head: 1, projections: 1 });
  await Promise.all([metrics.registry.metrics(), metrics.registry.metrics()]);
  assert.deepEqual(asked, { head: 2, projections: 2 });
});
