import { z } from 'zod';
import { withoutProject } from '../repository.ts';
import { type Matcher, matcher } from './matcher.ts';
import { remembered } from './remembered.ts';

const shape = {
  kind: z.literal('doublestar').describe('How the pattern is written; there is one way'),
  pattern: z.string().describe('A pattern of doublestar, such as `v[0-9]*` or `{app,tools}/**`'),
};

/** Harbor's selector of tags, as rules of immutability and of retention have it. */
export const tagSelector = z.object({
  ...shape,
  decoration: z
    .enum(['matches', 'excludes'])
    .describe('Whether it is for the tags that match, or for all others'),
  extras: z.string().describe('What else it says, as JSON: `{"untagged":true}`; empty for nothing'),
});
export type TagSelector = z.infer<typeof tagSelector>;

/** Harbor's selector of repositories, by what stands after the project in their names. */
export const repositorySelector = z.object({
  ...shape,
  decoration: z
    .enum(['repoMatches', 'repoExcludes'])
    .describe('Whether it is for the repositories that match, or for all others'),
});
export type RepositorySelector = z.infer<typeof repositorySelector>;

/** The most characters that the patterns of one project's rules have together: each name is compared with all. */
export const maxPatterns = 4096;

/** Characters of all the patterns. */
export const lengthOf = (selectors: readonly { readonly pattern: string }[]): number =>
  selectors.reduce((length, { pattern }) => length + pattern.length, 0);

/** @returns Whether a rule with the selector is for a tag. @throws PatternInvalid */
export const tagsOf = ({ pattern, decoration }: TagSelector): Matcher =>
  turned(patternOf(pattern), decoration === 'excludes');

/** @returns Whether the selector is for a name, be it the full one or what stands after the project. @throws PatternInvalid */
export const namesOf = ({ pattern, decoration }: RepositorySelector): Matcher =>
  turned(patternOf(pattern), decoration === 'repoExcludes');

/** @returns Whether a rule with the selector is for a repository, by its full name. @throws PatternInvalid */
export function repositoriesOf(selector: RepositorySelector): Matcher {
  const selects = namesOf(selector);
  return (repository) => selects(withoutProject(repository));
}

/**
 * @returns Whether a rule with the selector is for an artifact that has such tags: one of them is enough. Without a tag, it
 * is what the extras say, and it is selected where they say nothing. @throws PatternInvalid
 */
export function artifactsOf(selector: TagSelector): (tags: readonly string[]) => boolean {
  const selects = tagsOf(selector);
  const ofUntagged = selector.decoration === 'matches';
  // As in Harbor: with `excludes`, that which is said of the untagged is said of those that are left out.
  const untagged = (untaggedIn(selector.extras) ?? ofUntagged) === ofUntagged;
  return (tags) => (tags.length === 0 ? untagged : tags.some(selects));
}

/** What the extras of a selector say of artifacts without a tag; undefined where they say nothing. */
export function untaggedIn(extras: string): boolean | undefined {
  if (extras === '') return undefined;
  try {
    const said: unknown = JSON.parse(extras);
    if (said === null) return false;
    if (typeof said !== 'object' || Array.isArray(said)) return undefined;
    const { untagged = false } = said as { readonly untagged?: unknown };
    return typeof untagged === 'boolean' ? untagged : undefined;
  } catch (error) {
    // Harbor takes any text here, and heeds what it can read.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const turned = (selects: Matcher, isExcluding: boolean): Matcher =>
  isExcluding ? (name) => !selects(name) : selects;

/** A pattern of a thousand characters may take a megabyte of memory, with what its matcher keeps. */
const maxRemembered = 32 * 1024;
const rememberedMatcher = remembered((pattern) => matcher(pattern), maxRemembered);

/** As in Harbor, an empty pattern is for every name. */
const patternOf = (pattern: string): Matcher => (pattern === '' ? () => true : rememberedMatcher(pattern));
