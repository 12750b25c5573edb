import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { createLogger } from '../infra/telemetry/logger.ts';
import {
  continueTrace,
  currentTraceparent,
  inSpan,
  startTracing,
  type TracingSettings,
} from '../infra/telemetry/tracing.ts';
import { startCollector } from './otlp-collector.ts';

const standard = {
  urlPath: '/v1/traces',
  sampleRate: 1,
  insecure: true,
  timeoutMs: 5000,
  compression: false,
  serviceName: 'shiplog',
  version: '1.2.3',
};

async function traced(t: TestContext, settings: Partial<TracingSettings> = {}) {
  const collector = await startCollector(t);
  const tracing = await startTracing({ ...standard, endpoint: collector.endpoint, ...settings });
  t.after(() => tracing.stop());
  return { ...collector, tracing };
}

test('a span within a span arrives at the collector as its child', async (t) => {
  const { spans, requests, tracing } = await traced(t, {
    namespace: 'production',
    attributes: { application: 'registry' },
  });
  const answer = await inSpan('push', { repository: 'library/nginx' }, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return inSpan('append', { events: 2 }, async () => 42);
  });
  await tracing.stop();

  assert.equal(answer, 42);
  const push = spans.find(({ name }) => name === 'push');
  const append = spans.find(({ name }) => name === 'append');
  assert.equal(spans.length, 2);
  assert.equal(push?.parentSpanId, undefined);
  assert.equal(append?.parentSpanId, push?.spanId);
  assert.equal(append?.traceId, push?.traceId);
  assert.deepEqual(push?.attributes, { repository: 'library/nginx' });
  assert.deepEqual(
    [push?.resource['service.name'], push?.resource['service.version'], push?.resource['service.namespace']],
    ['shiplog', '1.2.3', 'production'],
  );
  assert.equal(push?.resource.application, 'registry');
  assert.deepEqual(requests, [{ url: '/v1/traces', encoding: undefined }]);
});

test('a span that fails says so, and the error goes on', async (t) => {
  const { spans, tracing } = await traced(t);
  await assert.rejects(
    inSpan('append', {}, async () => {
      throw new TypeError('the stream moved');
    }),
    TypeError,
  );
  await tracing.stop();
  assert.deepEqual(spans[0]?.status, { code: 2, message: 'the stream moved' });
});

test('the trace of a request is continued, and what a traceparent says of it is the active span', async (t) => {
  const { spans, tracing } = await traced(t, { sampleRate: 0 });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, host: 'registry' };
  const traceparent = await continueTrace(headers, () => inSpan('GET', {}, async () => currentTraceparent()));
  const unsampled = await inSpan('GET', {}, async () => currentTraceparent());
  const invalid = await continueTrace({ traceparent: 'nonsense' }, () =>
    inSpan('GET', {}, async () => currentTraceparent()),
  );
  await tracing.stop();

  // Only the one that its client wanted sampled.
  assert.equal(spans.length, 1);
  assert.equal(spans[0]?.parentSpanId, 'b7ad6b7169203331');
  assert.equal(traceparent, `00-${traceId}-${spans[0]?.spanId}-01`);
  assert.match(unsampled ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.match(invalid ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});

test('a line that is logged within a span names it', async (t) => {
  const { tracing } = await traced(t);
  let line = '';
  const destination = {
    write(text: string) {
      line = text;
    },
  };
  const log = createLogger({ level: 'info', pretty: false, destination });
  const traceparent = await inSpan('push', {}, async () => {
    log.info('within');
    return currentTraceparent();
  });
  const { traceId, spanId } = JSON.parse(line);
  assert.equal(traceparent, `00-${traceId}-${spanId}-01`);
  await tracing.stop();
  log.info('outside');
  assert.equal(JSON.parse(line).traceId, undefined);
});

test('exports are compressed and go to the path that is configured', async (t) => {
  const { spans, requests, endpoint, tracing } = await traced(t, { compression: true, urlPath: '/otlp' });
  await inSpan('push', {}, async () => undefined);
  await tracing.stop();
  assert.deepEqual(requests, [{ url: '/otlp', encoding: 'gzip' }]);
  assert.equal(spans.length, 1);

  // A scheme in the endpoint decides, whatever `insecure` says.
  const again = await startTracing({ ...standard, endpoint: `http://${endpoint}/`, insecure: false });
  await inSpan('push', {}, async () => undefined);
  await again.stop();
  assert.equal(spans.length, 2);
});

test('while tracing is off, work runs as it is and there is no traceparent', async () => {
  assert.equal(await inSpan('push', {}, async () => currentTraceparent()), undefined);
  assert.equal(
    continueTrace({ traceparent: 'x' }, () => 42),
    42,
  );
  await assert.rejects(
    inSpan('push', {}, () => Promise.reject(new RangeError('no'))),
    RangeError,
  );
});

test('a collector that is not there is reported and delays nothing but the end, which is bounded', async () => {
  const problems: string[] = [];
  const tracing = await startTracing({
    ...standard,
    // A port that nothing can listen on.
    endpoint: '127.0.0.1:1',
    timeoutMs: 500,
    report: (problem) => problems.push(problem),
  });
  await inSpan('push', {}, async () => undefined);
  await tracing.stop();
  assert.ok(problems.length > 0);
});

test('the exporter is not loaded by a process that does not trace', () => {
  const module = new URL('../infra/telemetry/tracing.ts', import.meta.url).href;
  const program = `
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { console.log(url); return next(url, context); } });
    const { inSpan } = await import(${JSON.stringify(module)});
    await inSpan('push', {}, async () => undefined);`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  assert.match(stdout, /@opentelemetry\/api/);
  assert.doesNotMatch(stdout, /sdk-trace|exporter/);
});
