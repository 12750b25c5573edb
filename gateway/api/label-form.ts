import { z } from 'zod';
import type { LabelSettings } from '../../domain/label/decider.ts';
import type { Label } from '../../projections/labels/queries.ts';
import { time } from './answer-forms.ts';
import { badRequest } from './faults.ts';

const text = z
  .string()
  .nullish()
  .transform((given) => given ?? '');

/** Harbor's `Label`, as far as a request can say something. */
export const labelForm = z.object({
  name: text,
  description: text,
  color: text,
  scope: text,
  project_id: z.int().nullish(),
});
export type LabelForm = z.output<typeof labelForm>;

const maxName = 128;
const maxDescription = 1024;

/** Control characters and halves of surrogate pairs, which no one can see or write. */
const illegal = /[\p{Cc}\p{Cs}]/u;
/** What a page can put into its styles as it is. */
const color = /^(?:#[0-9a-f]{3,8}|[a-z]{1,16})?$/i;

/** @throws RequestRefused 400 */
export function readLabel({ name, description, color: shade }: LabelForm): LabelSettings {
  if (name === '' || [...name].length > maxName)
    throw badRequest(`the name of a label has 1 to ${maxName} characters`);
  if (illegal.test(name)) throw badRequest('the name of a label contains illegal characters');
  if (description.length > maxDescription || description.includes('\0') || !description.isWellFormed())
    throw badRequest(`a description has at most ${maxDescription} characters`);
  if (!color.test(shade)) throw badRequest('a color is written as #RRGGBB, or is the name of one');
  return { name, description, color: shade };
}

/** How labels are shown, also among those of an artifact. */
export const labelAnswer = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string(),
    color: z.string(),
    scope: z.enum(['g', 'p']).describe('`g` for the whole system, `p` for one project'),
    project_id: z.int().optional().describe('The project of a label of one'),
    creation_time: time,
    update_time: time,
  })
  .meta({ id: 'Label' });

export const shownLabel = (label: Label) => ({
  id: label.labelId,
  name: label.name,
  description: label.description,
  color: label.color,
  ...(label.projectId === null
    ? { scope: 'g' as const }
    : { scope: 'p' as const, project_id: label.projectId }),
  creation_time: label.createdAt,
  update_time: label.updatedAt,
});
