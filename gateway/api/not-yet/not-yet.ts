import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Permission } from '../../../domain/access/permission.ts';
import type { RequestRefused } from '../../errors.ts';
import type { Access } from '../access.ts';
import { type AnswerForm, lists, nothing, shows } from '../answer-forms.ts';
import { type AnyOperation, operation } from '../operation.ts';
import type { PathForms } from '../parameter-forms.ts';

/*
 * Operations of Harbor on what this registry does not have yet. Their lists are empty, which is true; what they would
 * show is not found; what they would do is refused, with a status that Harbor has for it, since clients show the reason
 * of no other. Who may ask is checked as it will be.
 */

/** Who may: in the system, in the project of the path, or whoever has logged in. */
type For = { readonly system: Permission } | { readonly project: Permission } | 'known';

export interface NotYet {
  readonly id: string;
  readonly method: AnyOperation['method'];
  readonly path: string;
  readonly summary: string;
  readonly for: For;
  /** What it answers: a value that is true, or a refusal. */
  readonly answer: Honest;
}

type Names = { readonly [Name in keyof PathForms]?: unknown };

interface Honest {
  readonly form: AnswerForm<unknown>;
  give(path: Names): unknown;
}

const none = z.never().describe('There is none yet');

/** An empty page. */
export const emptyList: Honest = {
  form: lists(none) as AnswerForm<unknown>,
  give: () => ({ rows: [], total: 0 }),
};

/** An empty list without pages. */
export const emptyArray: Honest = { form: shows(z.array(none)) as AnswerForm<unknown>, give: () => [] };

export const shown = <Schema extends z.ZodType>(schema: Schema, value: z.output<Schema>): Honest => ({
  form: shows(schema) as AnswerForm<unknown>,
  give: () => value,
});

/** The refusal that fits what the path names. */
export const refused = (fault: (path: Names) => RequestRefused): Honest => ({
  form: nothing as AnswerForm<unknown>,
  give(path) {
    throw fault(path);
  },
});

export function notYetRoutes(
  api: FastifyInstance,
  access: Access,
  tag: string,
  operations: readonly NotYet[],
): void {
  for (const { for: who, answer, path, ...form } of operations)
    operation(api, { ...form, path: path as never, tag, answer: answer.form }, async (input) => {
      const { request } = input;
      if (who === 'known') await access.known(request);
      else if ('system' in who) await access.inSystem(request, who.system);
      else await access.inProject(request, who.project);
      return answer.give(input.path);
    });
}
