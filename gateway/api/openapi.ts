import { z } from 'zod';
import { errorAnswer } from './error-answer.ts';
import type { AnyOperation } from './operation.ts';
import { pathForms } from './parameter-forms.ts';

type Json = Record<string, unknown>;

const json = 'application/json';

/**
 * The document of the management API (OpenAPI 3.1), from the forms by which it reads requests and the schemas of its
 * answers. Schemas with an `id` stand among the components.
 */
export function openApiDocument(operations: readonly AnyOperation[], version: string): Json {
  const schemas: Json = {};
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const path = templateOf(operation.path);
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation, schemas) };
  }
  const errors = schemaOf(errorAnswer, 'output', schemas);
  return {
    openapi: '3.1.1',
    info: {
      title: 'Shiplog management API',
      version,
      description:
        'Compatible with version 2.0 of the API of Harbor, and more than that where an operation says so.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/api/v2.0' }],
    security: [{}, { basic: [] }, { accessToken: [] }],
    tags: [...new Set(operations.map(({ tag }) => tag))].sort().map((name) => ({ name })),
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        accessToken: { type: 'http', scheme: 'bearer', description: 'An access token of a user' },
      },
      responses: {
        Refused: { description: 'Refused', content: { 'application/json': { schema: errors } } },
      },
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

/** `/users/{user_id}` for `/users/:user_id`. */
const templateOf = (path: string): string => path.replace(/:(\w+)/g, '{$1}');

function describe(
  { id, tag, summary, body, bodyIsOptional, answer, ...form }: AnyOperation,
  schemas: Json,
): Json {
  return {
    operationId: id,
    tags: [tag],
    summary,
    parameters: [
      ...pathParameters(form.path),
      ...queryParameters(form.query ?? {}, answer),
      ...headersOf(form),
    ],
    ...(body !== undefined && {
      requestBody: {
        required: bodyIsOptional !== true,
        content: { 'application/json': { schema: schemaOf(body, 'input', schemas) } },
      },
    }),
    responses: {
      [answer.status]: {
        description: answer.description,
        ...(answer.mayBeEmpty && { 'x-may-be-empty': true }),
        ...(answer.headers !== undefined && {
          headers: Object.fromEntries(
            Object.entries(answer.headers).map(([name, description]) => [
              name,
              { description, schema: { type: 'string' } },
            ]),
          ),
        }),
        ...contentOf(answer, schemas),
      },
      default: { $ref: '#/components/responses/Refused' },
    },
  };
}

function contentOf({ schema, contentType }: AnyOperation['answer'], schemas: Json): Json {
  const types = [contentType ?? (schema === undefined ? [] : json)].flat();
  if (types.length === 0) return {};
  const inJson = schema === undefined ? {} : schemaOf(schema, 'output', schemas);
  return {
    content: Object.fromEntries(
      types
        .map((written) => written.split(';', 1)[0] ?? '')
        .map((type) => [type, { schema: type === json ? inJson : { type: 'string' } }]),
    ),
  };
}

function pathParameters(path: string): Json[] {
  const forms: Readonly<Record<string, z.ZodType>> = pathForms;
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    ...parameterOf(forms[name]),
  }));
}

const count = { type: 'integer', format: 'int64', minimum: 0 };
const listParameters: readonly Json[] = [
  { name: 'page', in: 'query', schema: { ...count, default: 1 } },
  {
    name: 'page_size',
    in: 'query',
    description: '0 for everything',
    schema: { ...count, maximum: 100, default: 10 },
  },
];
const filterParameters: readonly Json[] = [
  {
    name: 'q',
    in: 'query',
    description:
      'Conditions: `key=value`, `key=~part`, `key=[from~to]`, `key={a b}`, `key=(a b)`, with commas between',
    schema: { type: 'string' },
  },
  {
    name: 'sort',
    in: 'query',
    description: 'Fields with commas between, with a minus sign for descending order',
    schema: { type: 'string' },
  },
];

const queryParameters = (
  query: Readonly<Record<string, z.ZodType>>,
  { list }: AnyOperation['answer'],
): Json[] => [
  ...Object.entries(query).map(([name, form]) => ({
    name,
    in: 'query',
    ...(form.meta()?.required === true && { required: true }),
    ...parameterOf(form),
  })),
  ...(list === undefined ? [] : listParameters),
  ...(list === 'filtered' ? filterParameters : []),
];

function headersOf({
  method,
  path,
  headers = {},
}: Pick<AnyOperation, 'method' | 'path' | 'headers'>): Json[] {
  const common = {
    ...(path.includes(':project_name_or_id') && { 'X-Is-Resource-Name': 'true where a number is a name' }),
    ...(!['GET', 'HEAD'].includes(method) && {
      'X-Shiplog-Reason': 'Why, in a sentence of up to 1,000 characters; it is recorded with what is changed',
    }),
  };
  return Object.entries({ ...headers, ...common }).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }));
}

/** Of text that is read by `form`. */
function parameterOf(form: z.ZodType | undefined): Json {
  const { parameter } = (form?.meta() ?? {}) as { readonly parameter?: Json };
  const { description, ...schema } = parameter ?? { type: 'string' };
  return { ...(description !== undefined && { description }), schema };
}

/** The JSON Schema; the parts with a name are put into `schemas`. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', schemas: Json): Json {
  const {
    $schema: _,
    $defs = {},
    ...whole
  } = z.toJSONSchema(schema, { io, reused: 'inline' }) as Json & {
    $defs?: Json;
  };
  for (const [name, definition] of Object.entries($defs)) {
    const found = referring(definition);
    if (schemas[name] !== undefined && JSON.stringify(schemas[name]) !== JSON.stringify(found))
      throw new Error(`two schemas of the management API have the name ${name}`);
    schemas[name] = found;
  }
  return referring(whole) as Json;
}

/** With references to the components in place of those to definitions beside. */
function referring(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(referring);
  if (typeof part !== 'object' || part === null) return part;
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string'
        ? value.replace('#/$defs/', '#/components/schemas/')
        : referring(value),
    ]),
  );
}
