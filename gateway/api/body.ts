import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { readBytes } from '../oci/body.ts';
import { tooLarge, unprocessable, unsupportedMediaType } from './faults.ts';

const maxBodyBytes = 1024 * 1024;

/**
 * The body of the request as JSON that fits `schema`; fields that the schema does not know are left out. `null`
 * counts as an empty object, as Harbor's own tests send it.
 * @param isOptional whether no body does so too.
 * @throws RequestRefused 413, 415 or 422.
 */
export async function readJson<Schema extends z.ZodType>(
  request: FastifyRequest,
  schema: Schema,
  isOptional = false,
): Promise<z.output<Schema>> {
  const text = (await readText(request)) || (isOptional ? '{}' : '');
  if (text === '') throw unprocessable('body in body is required');
  const value = parse(text) ?? {};
  requireFewParts(value);
  const parsed = schema.safeParse(value);
  if (parsed.success) {
    bodies.set(request, parsed.data);
    return parsed.data;
  }
  throw unprocessable(
    ...parsed.error.issues
      .slice(0, maxFaults)
      .map(({ path, message }) => `${['body', ...path].map(String).join('.')} in body: ${message}`),
  );
}

const bodies = new WeakMap<FastifyRequest, unknown>();

/** What was read of the request, for who comes later; undefined where nothing was. */
export const bodyOf = (request: FastifyRequest): unknown => bodies.get(request);

/** More faults help nobody. */
const maxFaults = 20;
/** Values in a body: what a schema says of each costs time and memory. */
const maxParts = 50_000;

/** @throws RequestRefused 422 */
function requireFewParts(body: unknown): void {
  let parts = 0;
  const left: unknown[] = [body];
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    parts += 1;
    if (parts > maxParts) throw unprocessable(`body in body has at most ${maxParts} values`);
    if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) left.push(each);
  }
}

async function readText(request: FastifyRequest): Promise<string> {
  const type = request.headers['content-type'];
  if (type !== undefined && !/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type.trim()))
    throw unsupportedMediaType();
  const bytes = await readBytes(request, maxBodyBytes, () =>
    tooLarge(`a body has at most ${maxBodyBytes} bytes`),
  );
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
  } catch (error) {
    if (error instanceof TypeError) throw unprocessable('body in body is not UTF-8');
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw unprocessable('body in body is not JSON');
    throw error;
  }
}
