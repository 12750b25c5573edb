import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: Record<string, unknown>;
  readonly resource: Record<string, unknown>;
}

type Attributes = { key: string; value: Record<string, unknown> }[];

/** A server on loopback that takes spans as OTLP/HTTP with JSON, and remembers them. */
export async function startCollector(t: TestContext) {
  const spans: CollectedSpan[] = [];
  const requests: { readonly url: string | undefined; readonly encoding: string | undefined }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const encoding = request.headers['content-encoding'];
    requests.push({ url: request.url, encoding });
    const body = encoding === 'gzip' ? gunzipSync(Buffer.concat(chunks)) : Buffer.concat(chunks);
    for (const { resource, scopeSpans } of JSON.parse(body.toString()).resourceSpans)
      for (const scope of scopeSpans)
        for (const span of scope.spans)
          spans.push({ ...span, attributes: plain(span.attributes), resource: plain(resource.attributes) });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`, spans, requests };
}

const plain = (attributes: Attributes): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
