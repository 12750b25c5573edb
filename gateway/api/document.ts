import type { FastifyInstance } from 'fastify';
import { openApiDocument } from './openapi.ts';
import type { AnyOperation } from './operation.ts';
import { referencePage } from './reference-page.ts';

/**
 * Serves the document of the API and a page to read it by, where Harbor has its own explorer too. Before the first
 * operation, to see them all.
 */
export function documentRoutes(api: FastifyInstance, version: string): void {
  const operations: AnyOperation[] = [];
  api.addHook('onRoute', ({ config }) => {
    if (config?.operation !== undefined) operations.push(config.operation);
  });
  const document = once(() => openApiDocument(operations, version));
  const json = once(() => JSON.stringify(document()));
  const page = once(() => referencePage(document()));

  api.get('/openapi.json', async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(json()),
  );
  api.get('/reference', async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      // Nothing but its own words and style.
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(page()),
  );
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
