import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Listing } from '../../projections/listing.ts';
import { accepts } from './accept.ts';
import type { AnswerForm } from './answer-forms.ts';
import { askAgain } from './asked-again.ts';
import { readJson } from './body.ts';
import { notAcceptable, unprocessable } from './faults.ts';
import type { Paging } from './paging.ts';
import { readPaging } from './paging.ts';
import { type Needed, type PathForms, pathForms } from './parameter-forms.ts';
import { parameter } from './parameters.ts';
import { readListing } from './query.ts';

/** The names in a path such as `/users/:user_id`; each has its form in `pathForms`. */
type NamesIn<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | NamesIn<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

type QueryForms = Readonly<Record<string, z.ZodType>>;

/** All that the API's document says of an operation, and all that a request to it is read by. */
export interface OperationForm<
  Path extends string,
  Query extends QueryForms,
  Body extends z.ZodType,
  Result,
> {
  /** Harbor's `operationId`, or one of our own in its manner. */
  readonly id: string;
  /** Harbor's tag: the group that the document shows it in. */
  readonly tag: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v2.0`. */
  readonly path: Path & ([NamesIn<Path>] extends [keyof PathForms] ? Path : never);
  /** A sentence. */
  readonly summary: string;
  /** The parameters of its own, beside those of every list. */
  readonly query?: Query;
  /** The headers that it heeds, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  /** Whether no body is as good as an empty object. */
  readonly bodyIsOptional?: boolean;
  readonly answer: AnswerForm<Result>;
}

/** An operation whatever it reads and resolves to. */
export type AnyOperation = Omit<
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  OperationForm<string, QueryForms, z.ZodType, any>,
  'path'
> & { readonly path: string };

export interface OperationInput<Path extends string, Query extends QueryForms, Body extends z.ZodType> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly path: { readonly [Name in NamesIn<Path> & keyof PathForms]: z.output<PathForms[Name]> };
  /** Empty parameters are as if they were not there. */
  readonly query: {
    readonly [Name in keyof Query]: z.output<Query[Name]> | (Query[Name] extends Needed ? never : undefined);
  };
  /** What a list is asked for; everything, where the answer is none. */
  readonly listing: Paging & Listing;
  /**
   * Reads the body, which may come slowly: to be called when it is known that the asker may. Then all that was asked
   * of who asks is asked again.
   * @throws RequestRefused 413, 415 or 422, or as the questions do.
   */
  body(): Promise<z.output<Body>>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: AnyOperation;
  }
}

const everything: Paging & Listing = {
  page: 1,
  size: 0,
  offset: 0,
  limit: undefined,
  filters: [],
  sort: [],
};

/**
 * Serves an operation of the management API. What its form says of path and query is checked first, as Harbor does,
 * then the handler decides who may, and asks for the body.
 */
export function operation<
  const Path extends string,
  Result,
  Query extends QueryForms = Record<never, never>,
  Body extends z.ZodType = z.ZodType,
>(
  api: FastifyInstance,
  form: OperationForm<Path, Query, Body, Result>,
  handle: (input: OperationInput<Path, Query, Body>) => Promise<Result>,
): void {
  const { method, path: url, answer } = form;
  api.route({
    method,
    url,
    config: { operation: form },
    async handler(request, reply) {
      requireAcceptable(request, answer);
      const input = {
        request,
        reply,
        path: pathOf(request),
        query: queryOf(request, form.query ?? {}),
        listing: listingOf(request, answer.list),
        async body() {
          const read = await readJson(request, form.body as Body, form.bodyIsOptional);
          await askAgain(request);
          return read;
        },
      } as unknown as OperationInput<Path, Query, Body>;
      return answer.send(await handle(input), { request, reply, listing: input.listing });
    },
  });
}

/** Clients of Harbor name JSON for everything, since every refusal is that. @throws RequestRefused 406 */
function requireAcceptable(
  { headers }: FastifyRequest,
  { schema, contentType }: AnyOperation['answer'],
): void {
  const types = [contentType ?? (schema === undefined ? [] : json)].flat();
  if (types.length === 0 || [...types, json].some((type) => accepts(headers.accept, type))) return;
  throw notAcceptable(`the answer is ${types.join(' or ')}`);
}

const json = 'application/json';

function listingOf(request: FastifyRequest, list: AnyOperation['answer']['list']): Paging & Listing {
  if (list === 'filtered') return readListing(request);
  return list === 'paged' ? { ...everything, ...readPaging(request) } : everything;
}

function pathOf(request: FastifyRequest): Record<string, unknown> {
  const given = request.params as Readonly<Record<string, string>>;
  const forms: Readonly<Record<string, z.ZodType>> = pathForms;
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, read(forms[name], value, `${name} in path`)]),
  );
}

function queryOf(request: FastifyRequest, forms: QueryForms): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(forms).map(([name, form]) => {
      const value = parameter(request, name);
      if (value === undefined && form.meta()?.required === true)
        throw unprocessable(`${name} in query is required`);
      return [name, value === undefined ? undefined : read(form, value, `${name} in query`)];
    }),
  );
}

function read(form: z.ZodType | undefined, value: string, what: string): unknown {
  if (form === undefined) return value;
  const parsed = form.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unprocessable(`${what} ${issue?.message}: ${JSON.stringify(value.slice(0, 100))}`);
}
