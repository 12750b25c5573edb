import assert from 'node:assert/strict';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { default as addFormats } from 'ajv-formats';
import { type Answer, send, type Target } from './client.ts';

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly responses: Readonly<Record<string, Response>>;
}

interface Response {
  readonly 'x-may-be-empty'?: boolean;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

/** The document of the management API that a server serves, as far as the tests ask it. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Checker {
  readonly document: ApiDocument;
  validatorOf(path: string, method: string, status: string, type: string): ValidateFunction | undefined;
}

/** By the URL of the server. */
const checkers = new Map<string, Promise<Checker>>();

export const documentOf = async (target: Target): Promise<ApiDocument> => (await checkerOf(target)).document;

function checkerOf(target: Target): Promise<Checker> {
  const known = checkers.get(target.url) ?? readDocument(target);
  checkers.set(target.url, known);
  // Of a server that is away now, or starting, the next one may ask.
  known.catch(() => checkers.delete(target.url));
  return known;
}

async function readDocument(target: Target): Promise<Checker> {
  const answer = await send(target, 'GET', '/api/v2.0/openapi.json', { as: '' });
  assert.equal(answer.status, 200, answer.body.toString());
  const document = JSON.parse(answer.body.toString());
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'document');
  return {
    document,
    validatorOf: (path, method, status, type) =>
      ajv.getSchema(
        `document#/${['paths', path, method, 'responses', status, 'content', type, 'schema'].map(pointerOf).join('/')}`,
      ),
  };
}

const pointerOf = (part: string): string =>
  encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

/** Whatever is asked of the management API, the answer is one that its document has. */
export async function requireDocumented(
  target: Target,
  method: string,
  url: string,
  answer: Answer,
): Promise<void> {
  const [path = ''] = url.split('?', 1);
  if (answer.status >= 500 || !path.startsWith('/api/v2.0/')) return;
  const { document, validatorOf } = await checkerOf(target);
  const below = path
    .slice('/api/v2.0'.length)
    .replace(/\/{2,}/g, '/')
    .replace(/(.)\/$/, '$1');
  const found = operationAt(document, method.toLowerCase(), below);
  if (found === undefined) {
    assert.ok(answer.status >= 400, `${method} ${below} is answered, and the document does not have it`);
    return;
  }
  const { template, operation } = found;
  const isRefused = answer.status >= 400;
  const response = operation.responses[isRefused ? 'default' : answer.status];
  assert.ok(response !== undefined, `${operation.operationId} may be answered with ${answer.status}`);
  if (isRefused) return;
  const types = Object.keys(response.content ?? {});
  if (types.length === 0 || method === 'HEAD' || (response['x-may-be-empty'] && answer.body.length === 0)) {
    assert.equal(answer.body.length, 0, `${operation.operationId} is answered without a body`);
    return;
  }
  const type = answer.headers['content-type']?.split(';', 1)[0] ?? '';
  assert.ok(types.includes(type), `${operation.operationId} is answered as one of ${types}, and not ${type}`);
  if (type !== 'application/json') return;
  const validate = validatorOf(template, method.toLowerCase(), String(answer.status), type);
  assert.ok(validate !== undefined, `${operation.operationId} has a schema for ${answer.status}`);
  const fits = validate(JSON.parse(answer.body.toString()));
  assert.ok(fits, `${operation.operationId}: ${JSON.stringify(validate.errors)}\n${answer.body.toString()}`);
}

/** A path with fewer parameters comes before one with more. */
function operationAt(document: ApiDocument, method: string, path: string) {
  return Object.entries(document.paths)
    .filter(([template]) =>
      new RegExp(`^${template.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
    )
    .sort(([a], [b]) => a.split('{').length - b.split('{').length)
    .flatMap(([template, methods]) => {
      const operation = methods[method];
      return operation === undefined ? [] : [{ template, operation }];
    })
    .at(0);
}
