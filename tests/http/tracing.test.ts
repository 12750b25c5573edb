import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { startCollector } from '../otlp-collector.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';

test('a push is one trace, from the client through command and append to the views', async (t) => {
  const collector = await startCollector(t);
  const server = await startServer(t, {
    environment: {
      SHIPLOG_TRACE_ENABLED: 'true',
      SHIPLOG_TRACE_OTEL_ENDPOINT: collector.endpoint,
      SHIPLOG_TRACE_OTEL_INSECURE: 'true',
    },
  });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const body = 'traced';
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;

  const answer = await server.fetch(`/v2/library/traced/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    body,
    headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
  });
  assert.equal(answer.status, 201);

  const ours = () => collector.spans.filter((span) => span.traceId === traceId);
  // In whatever order, and those of the views as often as they are applied.
  const names = ['POST /v2/:name/blobs/uploads/', 'store-blob', 'append', 'project'];
  await until('the spans are exported', () =>
    names.every((name) => ours().some((span) => span.name === name)),
  );
  const byName = new Map(ours().map((span) => [span.name, span]));
  const request = byName.get('POST /v2/:name/blobs/uploads/');
  assert.equal(request?.parentSpanId, 'b7ad6b7169203331');
  assert.equal(byName.get('store-blob')?.parentSpanId, request?.spanId);
  assert.equal(byName.get('append')?.parentSpanId, byName.get('store-blob')?.spanId);
});
