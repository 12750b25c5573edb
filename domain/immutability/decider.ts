import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import { lengthOf, maxPatterns, type RepositorySelector, type TagSelector } from '../selector/selector.ts';
import type { ImmutabilityEvent, TagDeed } from './events.ts';

export interface ImmutableRule {
  readonly isDisabled: boolean;
  readonly repositories: RepositorySelector;
  readonly tags: TagSelector;
  /** At least one. */
  readonly forbids: readonly TagDeed[];
  /** Whether it is also for the tags of signatures and of lists of referrers. */
  readonly accessoryTags: boolean;
}

/** What is not given stays as it is. */
export type ImmutableRuleChange = Pick<ImmutableRule, 'isDisabled' | 'repositories' | 'tags'> &
  Partial<ImmutableRule>;

export type ImmutabilityCommand =
  | { readonly do: 'create'; readonly rule: ImmutableRule }
  | { readonly do: 'change'; readonly rule: ImmutableRuleChange }
  | { readonly do: 'delete' };

/** The rules of a project by their numbers. */
type Rules = ReadonlyMap<number, ImmutableRule>;

/** Each is looked at for every tag that is pushed. */
export const maxRules = 100;

/** The rule `ruleId` among those of its project. */
export const immutabilityDecider = (which: {
  readonly ruleId: number;
  readonly project: string;
  readonly projectId: number;
}): Decider<Rules, ImmutabilityCommand, ImmutabilityEvent> => ({
  initial: new Map(),

  decide(rules, command) {
    const { ruleId, project } = which;
    const own = rules.get(ruleId);
    if (command.do === 'create') {
      if (rules.size >= maxRules) throw new Refusal({ kind: 'too-many-immutable-rules', max: maxRules });
      requireNew(command.rule);
      requireShort(command.rule);
      return [{ type: 'ImmutableRuleCreated', data: { ...which, ...withLists(command.rule) } }];
    }
    if (own === undefined) throw new Refusal({ kind: 'immutable-rule-unknown', project, ruleId });
    if (command.do === 'delete') return [{ type: 'ImmutableRuleDeleted', data: which }];
    const { isDisabled } = command.rule;
    // As in Harbor: who switches a rule on or off changes nothing else of it.
    const changed = isDisabled !== own.isDisabled ? { ...own, isDisabled } : { ...own, ...command.rule };
    if (isSame(own, changed)) return [];
    if (isDisabled === own.isDisabled) {
      requireNew(changed);
      requireShort(changed);
    }
    return [{ type: 'ImmutableRuleChanged', data: { ...which, ...withLists(changed) } }];

    function requireNew(rule: ImmutableRule): void {
      for (const [id, other] of rules)
        if (id !== ruleId && selectorsOf(other) === selectorsOf(rule))
          throw new Refusal({ kind: 'immutable-rule-exists', project, ruleId: id });
    }

    /** With all others, also those that are switched off. */
    function requireShort(rule: ImmutableRule): void {
      const after = [...new Map([...rules, [ruleId, rule]]).values()];
      if (lengthOf(after.flatMap(({ repositories, tags }) => [repositories, tags])) > maxPatterns)
        throw new Refusal({ kind: 'immutable-patterns-too-long', max: maxPatterns });
    }
  },

  evolve(rules, { type, data: { ruleId, project: _, projectId: __, ...rule } }) {
    const after = new Map(rules);
    if (type === 'ImmutableRuleDeleted') after.delete(ruleId);
    else after.set(ruleId, rule as ImmutableRule);
    return after;
  },
});

const withLists = (rule: ImmutableRule) => ({ ...rule, forbids: [...rule.forbids] });

const selectorsOf = ({ repositories, tags }: ImmutableRule): string =>
  JSON.stringify([repositories.decoration, repositories.pattern, tags.decoration, tags.pattern, tags.extras]);

const isSame = (one: ImmutableRule, other: ImmutableRule): boolean =>
  selectorsOf(one) === selectorsOf(other) &&
  one.isDisabled === other.isDisabled &&
  one.accessoryTags === other.accessoryTags &&
  one.forbids.join() === other.forbids.join();
