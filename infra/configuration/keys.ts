import { z } from 'zod';

type Schema = z.core.$ZodType;

/** A schema without what wraps it: defaults, optionality, and what is done to the value after it was checked. */
export function essence(schema: Schema): Schema {
  const { def } = schema as z.ZodType;
  if (def.type === 'pipe') return essence((def as z.core.$ZodPipeDef).in);
  if (def.type === 'default' || def.type === 'prefault' || def.type === 'optional')
    return essence((def as z.core.$ZodOptionalDef).innerType);
  return schema;
}

/** The keys of a section and their schemas; undefined for what is no section. */
export function keysOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const inner = essence(schema);
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}

/** The schema of the entries of a list of sections; undefined for what is none. A variable cannot hold one. */
export function entriesOf(schema: Schema): Schema | undefined {
  const inner = essence(schema);
  return inner instanceof z.ZodArray && keysOf(inner.element) !== undefined ? inner.element : undefined;
}

/** The schema of the key at `path`; undefined where there is none. */
export function schemaAt(schema: Schema, path: readonly PropertyKey[]): Schema | undefined {
  let at: Schema | undefined = schema;
  for (const step of path) at = at && (entriesOf(at) ?? keysOf(at)?.[String(step)]);
  return at;
}

/** The meta data of a schema: the outermost that has any, since wrapping a schema loses it. */
function metaOf(schema: Schema): z.core.GlobalMeta {
  const own = z.globalRegistry.get(schema);
  if (own !== undefined) return own;
  const { def } = schema as z.ZodType;
  if (def.type === 'pipe') return metaOf((def as z.core.$ZodPipeDef).in);
  if ('innerType' in def) return metaOf((def as z.core.$ZodOptionalDef).innerType);
  return {};
}

export const meaningOf = (schema: Schema): string => metaOf(schema).description ?? '';
export const isSecret = (schema: Schema): boolean => metaOf(schema).writeOnly === true;
/** Whether it is a key of harbor.yml that Shiplog accepts and does not act on. */
export const isNotUsed = (schema: Schema): boolean => metaOf(schema)['x-not-used'] === true;
/** Whether it is a key of harbor.yml that must not be set. */
export const isRefused = (schema: Schema): boolean => metaOf(schema)['x-refused'] === true;

/** The value that the operator would have to write to get the default. */
export function defaultOf(schema: Schema): unknown {
  const { def } = schema as z.ZodType;
  if (def.type === 'default' || def.type === 'prefault') return (def as z.core.$ZodDefaultDef).defaultValue;
  if (def.type === 'pipe') return defaultOf((def as z.core.$ZodPipeDef).in);
  const described = metaOf(schema).default;
  if (described === undefined && 'innerType' in def)
    return defaultOf((def as z.core.$ZodOptionalDef).innerType);
  return described;
}

export interface Key {
  readonly path: readonly string[];
  readonly schema: Schema;
}

/** All keys under `schema` that hold a value and no further keys, in the order of the schema. */
export function* leavesOf(schema: Schema, path: readonly string[] = []): Iterable<Key> {
  const keys = keysOf(schema);
  if (keys === undefined) yield { path, schema };
  else for (const [key, of] of Object.entries(keys)) yield* leavesOf(of, [...path, key]);
}

/** `SHIPLOG_` and the path in upper snake case: `http.port` is `SHIPLOG_HTTP_PORT`. */
export const variableOf = (path: readonly PropertyKey[]): string =>
  [
    'SHIPLOG',
    ...path.map((key) =>
      String(key)
        .replace(/([a-z])([A-Z])/g, '$1_$2')
        .toUpperCase(),
    ),
  ].join('_');

/** A path as the operator knows it; entries of lists have their number. */
export const written = (path: readonly PropertyKey[]): string => path.map(String).join('.');
