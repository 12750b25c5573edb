import { artifactsOf, repositoriesOf, untaggedIn } from '../selector/selector.ts';
import type { RuleHere } from './evaluate.ts';
import type { RetentionRule } from './rules.ts';

/** A rule with its patterns read. */
export interface ReadRule extends RuleHere {
  /** @param repository its full name */
  isFor(repository: string): boolean;
}

/**
 * The rules that count, with their places. A pattern that cannot be read stops everything: a rule that selected nothing
 * would let go what it is there to keep. @throws PatternInvalid
 */
export const readRules = (rules: readonly RetentionRule[]): readonly ReadRule[] =>
  rules.flatMap((rule, index) => (rule.disabled ? [] : [readRule(rule, index + 1)]));

/** @param repository its full name */
export const rulesHere = (rules: readonly ReadRule[], repository: string): readonly ReadRule[] =>
  rules.filter((rule) => rule.isFor(repository));

function readRule({ template, value, tags, repositories }: RetentionRule, rule: number): ReadRule {
  const byTags = tags.map(artifactsOf);
  const byName = repositories.map(repositoriesOf);
  return {
    rule,
    template,
    value,
    // Only where it is said: nothing is removed because somebody said nothing of it.
    takesUntagged: tags.some(({ extras }) => untaggedIn(extras) === true),
    selects: (names) => byTags.every((selects) => selects(names)),
    isFor: (repository) => byName.every((selects) => selects(repository)),
  };
}
