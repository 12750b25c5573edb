import { z } from 'zod';
import { PatternInvalid, parsePattern } from '../../domain/selector/pattern.ts';
import type { RepositorySelector, TagSelector } from '../../domain/selector/selector.ts';
import { badRequest } from './faults.ts';

const text = z
  .string()
  .nullish()
  .transform((given) => given ?? '');

/** Harbor's `ImmutableSelector` and `RetentionSelector`, as they are sent. */
export const selectorForm = z.object({ kind: text, decoration: text, pattern: text, extras: text });
export type SelectorForm = z.output<typeof selectorForm>;

/** How such selectors are shown. */
export const selectorAnswer = {
  kind: z.literal('doublestar'),
  decoration: z.enum(['matches', 'excludes', 'repoMatches', 'repoExcludes']),
  pattern: z.string(),
  extras: z.string().optional().describe('What else it says, as JSON: `{"untagged":true}`'),
};

/** As many as a list of names in braces may need; every name of a list is compared with it. */
const maxPattern = 1024;
const maxExtras = 1024;

/** Control characters and halves of surrogate pairs, which no name has. */
const illegal = /[\p{Cc}\p{Cs}]/u;

/** @throws RequestRefused 400 */
export function readTagSelector(form: SelectorForm): TagSelector {
  const { decoration, extras } = form;
  if (decoration !== 'matches' && decoration !== 'excludes')
    throw badRequest(`the decoration of a tag selector is matches or excludes, not ${decoration}`);
  if (extras.length > maxExtras || illegal.test(extras))
    throw badRequest(`the extras of a selector are JSON of at most ${maxExtras} characters`);
  return { ...readPattern(form), decoration, extras };
}

/** @throws RequestRefused 400 */
export function readRepositorySelector(form: SelectorForm): RepositorySelector {
  const { decoration } = form;
  if (decoration !== 'repoMatches' && decoration !== 'repoExcludes')
    throw badRequest(
      `the decoration of a repository selector is repoMatches or repoExcludes, not ${decoration}`,
    );
  return { ...readPattern(form), decoration };
}

function readPattern({ kind, pattern }: SelectorForm): Pick<TagSelector, 'kind' | 'pattern'> {
  if (kind !== '' && kind !== 'doublestar')
    throw badRequest(`the kind of a selector is doublestar, not ${kind}`);
  if (pattern === '') throw badRequest('a selector has a pattern');
  if (pattern.length > maxPattern || illegal.test(pattern))
    throw badRequest(`the pattern of a selector has at most ${maxPattern} visible characters`);
  try {
    parsePattern(pattern);
  } catch (error) {
    if (error instanceof PatternInvalid) throw badRequest(`invalid pattern ${pattern}: ${error.message}`);
    throw error;
  }
  return { kind: 'doublestar', pattern };
}
