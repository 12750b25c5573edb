import { z } from 'zod';

/*
 * What a parameter of a path or a query can be. They come as text; `parameter` is how the document describes them.
 */

/** Any text. */
export const text = z.string().meta({ parameter: { type: 'string' } });

/** As Harbor's own server reads them. */
export const flag = z
  .stringbool({
    truthy: ['true', '1', 't', 'yes', 'y', 'on'],
    falsy: ['false', '0', 'f', 'no', 'n', 'off'],
    error: 'must be of type boolean',
  })
  .meta({ parameter: { type: 'boolean' } });

/** A whole number, and 0 for one beyond those that the database can compare with: such a number names nothing. */
export const id = z
  .string()
  .regex(/^-?\d{1,15}$/, 'must be of type int64')
  .transform((written) => storable(Number(written)))
  .meta({ parameter: { type: 'integer', format: 'int64' } });

/** No id is beyond what the database can compare with; such a number names nothing. */
export const storable = (number: number): number => (Math.abs(number) < 2 ** 31 ? number : 0);

/** RFC 3339, with a zone. */
export const instant = z
  .string()
  .refine(
    (written) => z.iso.datetime({ offset: true }).safeParse(written).success,
    'must be of type date-time',
  )
  .transform((written) => new Date(written))
  .meta({ parameter: { type: 'string', format: 'date-time' } });

const [standardLimit, maxLimit] = [20, 100];

/** How many rows or hits are asked for. */
export const limit = z
  .string()
  .regex(/^(?:[1-9]\d?|100)$/, `should be a whole number from 1 to ${maxLimit}`)
  .transform(Number)
  .meta({ parameter: { type: 'integer', minimum: 1, maximum: maxLimit, default: standardLimit } });
export const limitOr = (asked: number | undefined): number => asked ?? standardLimit;

declare const needed: unique symbol;
/** The form of a parameter without which there is no request. */
export type Needed = { readonly [needed]: true };

/** A parameter of the query that has to be there. */
export const required = <Form extends z.ZodType>(form: Form): Form & Needed =>
  form.meta({ ...form.meta(), required: true }) as Form & Needed;

/** A repository's name without its project, however often its slashes are encoded. */
const repositoryName = z
  .string()
  .transform(decodedSlashes)
  .meta({ parameter: { type: 'string', description: 'Its slashes are encoded, once or twice' } });

/** What stands in the paths, by its name there. */
export const pathForms = {
  addition: text,
  delivery_id: id,
  digest: text,
  eid: id,
  entry_id: text.meta({
    parameter: { type: 'string', description: 'A number, or the id of an event' },
  }),
  execution_id: id,
  export_id: text,
  gc_id: id,
  group_id: id,
  id,
  immutable_rule_id: id,
  job_id: text,
  job_type: text,
  label_id: id,
  meta_name: text,
  mid: id,
  pool_id: text,
  position: text.meta({ parameter: { type: 'string', description: 'The position of an event in the log' } }),
  preheat_instance_name: text,
  preheat_policy_name: text,
  project_name: text,
  project_name_or_id: text.meta({
    parameter: {
      type: 'string',
      description:
        'A number is an id and everything else a name, unless X-Is-Resource-Name says that it is a name',
    },
  }),
  registration_id: text,
  report_id: text,
  purge_id: id,
  reference: text.meta({ parameter: { type: 'string', description: 'A tag or a digest' } }),
  repository_name: repositoryName,
  robot_id: id,
  session_id: text,
  tag_name: text,
  tid: id,
  token_id: id,
  task_id: id,
  webhook_policy_id: id,
  user_id: id,
  user_id_or_current: z
    .union([z.literal('current'), id])
    .meta({ parameter: { type: 'string', description: 'A number, or `current` for the user who asks' } }),
} as const;
export type PathForms = typeof pathForms;

/** Harbor's clients encode the slashes once or twice, depending on what stood before their registry. */
function decodedSlashes(written: string): string {
  let name = written;
  while (/%2f/i.test(name)) {
    try {
      name = decodeURIComponent(name);
    } catch (error) {
      if (error instanceof URIError) return name;
      throw error;
    }
  }
  return name;
}
