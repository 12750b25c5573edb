import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ImmutableRule, immutabilityDecider, maxRules } from '../../domain/immutability/decider.ts';
import { type ImmutabilityEvent, immutabilityStream } from '../../domain/immutability/events.ts';
import { locksOf } from '../../domain/immutability/locks.ts';
import { maxPatterns } from '../../domain/selector/selector.ts';
import { given } from '../given.ts';

const project = { project: 'team', projectId: 2 };
const rules = (ruleId: number) => immutabilityDecider({ ruleId, ...project });

const ruleFor = (tags: string, repositories = '**'): ImmutableRule => ({
  isDisabled: false,
  repositories: { kind: 'doublestar', pattern: repositories, decoration: 'repoMatches' },
  tags: { kind: 'doublestar', pattern: tags, decoration: 'matches', extras: '' },
  forbids: ['move', 'delete'],
  accessoryTags: false,
});
const event = (
  type: 'ImmutableRuleCreated' | 'ImmutableRuleChanged',
  ruleId: number,
  rule: ImmutableRule,
): ImmutabilityEvent => ({ type, data: { ruleId, ...project, ...rule, forbids: [...rule.forbids] } });
const created = (ruleId: number, rule: ImmutableRule) => event('ImmutableRuleCreated', ruleId, rule);
const changed = (ruleId: number, rule: ImmutableRule) => event('ImmutableRuleChanged', ruleId, rule);
const deleted = (ruleId: number): ImmutabilityEvent => ({
  type: 'ImmutableRuleDeleted',
  data: { ruleId, ...project },
});
const create = (rule: ImmutableRule) => ({ do: 'create', rule }) as const;
const change = (rule: ImmutableRule) => ({ do: 'change', rule }) as const;
const exists = (ruleId: number) => ({ kind: 'immutable-rule-exists', project: 'team', ruleId }) as const;
const unknown = (ruleId: number) => ({ kind: 'immutable-rule-unknown', project: 'team', ruleId }) as const;

test('the rules of a project of the same name before are none of its own', () => {
  assert.equal(immutabilityStream(2), 'immutability/2');
});

test('a project has no two rules with the same selectors, disabled or not', () => {
  const rule = ruleFor('v*');
  given(rules(1)).when(create(rule)).then(created(1, rule));
  given(rules(2), created(1, rule)).when(create(rule)).thenRefused(exists(1));
  given(rules(2), created(1, { ...rule, isDisabled: true }))
    .when(create({ ...rule, forbids: ['move'] }))
    .thenRefused(exists(1));
  given(rules(2), created(1, rule), deleted(1)).when(create(rule)).then(created(2, rule));
  for (const other of [ruleFor('v*', 'app'), ruleFor('v?')])
    given(rules(2), created(1, rule)).when(create(other)).then(created(2, other));
});

test('a rule is given other selectors unless another rule has them', () => {
  const both = [created(1, ruleFor('v*')), created(2, ruleFor('w*'))];
  given(rules(1), ...both)
    .when(change(ruleFor('x*')))
    .then(changed(1, ruleFor('x*')));
  given(rules(1), ...both)
    .when(change(ruleFor('w*')))
    .thenRefused(exists(2));
  given(rules(1), ...both)
    .when(change(ruleFor('v*')))
    .then();
});

test('who switches a rule on or off changes nothing else of it', () => {
  const disabled = { ...ruleFor('v*'), isDisabled: true };
  given(rules(1), created(1, ruleFor('v*')))
    .when(change({ ...ruleFor('other'), isDisabled: true }))
    .then(changed(1, disabled));
  given(rules(1), created(1, disabled))
    .when(change(ruleFor('other')))
    .then(changed(1, ruleFor('v*')));
});

test('a change that does not say what the rule forbids leaves that as it is', () => {
  const rule: ImmutableRule = { ...ruleFor('v*'), forbids: ['delete'], accessoryTags: true };
  const { forbids: _, accessoryTags: __, ...said } = ruleFor('w*');
  given(rules(1), created(1, rule))
    .when({ do: 'change', rule: said })
    .then(changed(1, { ...rule, tags: said.tags }));
});

test('a rule that is not there is neither changed nor deleted', () => {
  for (const past of [[], [created(1, ruleFor('v*')), deleted(1)], [created(2, ruleFor('v*'))]])
    for (const command of [change(ruleFor('x*')), { do: 'delete' }] as const)
      given(rules(1), ...past)
        .when(command)
        .thenRefused(unknown(1));
  given(rules(1), created(1, ruleFor('v*')))
    .when({ do: 'delete' })
    .then(deleted(1));
});

test('a project has a bounded number of rules', () => {
  const many = Array.from({ length: maxRules }, (_, index) => created(index + 1, ruleFor(`v${index}`)));
  given(rules(500), ...many)
    .when(create(ruleFor('one more')))
    .thenRefused({ kind: 'too-many-immutable-rules', max: maxRules });
});

test('the patterns of a project have a bounded length together, and can be made shorter', () => {
  const long = (length: number) => ruleFor('x'.repeat(length), 'y'.repeat(length));
  const half = maxPatterns / 2;
  const tooLong = { kind: 'immutable-patterns-too-long', max: maxPatterns } as const;
  given(rules(2), created(1, long(half - 10)))
    .when(create(ruleFor('v*', 'z'.repeat(18))))
    .then(created(2, ruleFor('v*', 'z'.repeat(18))));
  given(rules(2), created(1, { ...long(half - 10), isDisabled: true }))
    .when(create(ruleFor('v*', 'z'.repeat(19))))
    .thenRefused(tooLong);
  given(rules(1), created(1, ruleFor('v*')))
    .when(change(long(half + 1)))
    .thenRefused(tooLong);
  given(rules(1), created(1, long(half)))
    .when(change(long(half - 1)))
    .then(changed(1, long(half - 1)));
});

test('a rule is for the tags and repositories that both of its selectors are for', () => {
  const rule = ruleFor('v*', 'app');
  assert.ok(locksOf('team/app', [rule]).forbid('v1'));
  assert.ok(!locksOf('team/app', [rule]).forbid('latest'));
  assert.ok(locksOf('team/tool', [rule]).isEmpty());
  const others: ImmutableRule = {
    ...rule,
    repositories: { ...rule.repositories, decoration: 'repoExcludes' },
    tags: { ...rule.tags, decoration: 'excludes' },
  };
  assert.ok(locksOf('team/tool', [others]).forbid('latest'));
  assert.ok(!locksOf('team/tool', [others]).forbid('v1'));
  assert.ok(locksOf('team/app', [others]).isEmpty());
  assert.ok(locksOf('team/app', [others, rule]).forbid('v1'), 'any of several is enough');
});

test('a rule that is switched off forbids nothing', () => {
  assert.ok(locksOf('team/app', [{ ...ruleFor('**'), isDisabled: true }]).isEmpty());
});

test('a rule can forbid to move a tag and not to delete it, and the other way round', () => {
  const moves = locksOf('team/app', [{ ...ruleFor('v*'), forbids: ['move'] }]);
  assert.deepEqual([moves.forbid('v1', 'move'), moves.forbid('v1', 'delete')], [true, false]);
  assert.deepEqual([moves.isEmpty(), moves.isEmpty('move'), moves.isEmpty('delete')], [false, false, true]);
  const deletions = locksOf('team/app', [{ ...ruleFor('v*'), forbids: ['delete'] }]);
  assert.deepEqual([deletions.forbid('v1', 'move'), deletions.forbid('v1', 'delete')], [false, true]);
  assert.ok(moves.forbid('v1') && deletions.forbid('v1'), 'either is a tag that a rule is for');
});

test('what clients keep beside an image stays theirs to change, unless the rule is for that too', () => {
  const hex = 'a'.repeat(64);
  const theirs = [
    `sha256-${hex}`,
    `sha256-${hex}.sig`,
    `sha256-${hex}.att`,
    `sha256-${hex}.sbom`,
    `sha512-${hex}`,
  ];
  const usual = locksOf('team/app', [ruleFor('**')]);
  assert.deepEqual(
    theirs.filter((tag) => usual.forbid(tag)),
    [],
  );
  for (const tag of [`sha256-${hex.slice(1)}.sig`, `sha256-${hex}.exe`, `x-sha256-${hex}.sig`, 'sha256-'])
    assert.ok(usual.forbid(tag), tag);
  const all = locksOf('team/app', [{ ...ruleFor('**'), accessoryTags: true }]);
  assert.deepEqual(
    theirs.filter((tag) => !all.forbid(tag)),
    [],
  );
});
