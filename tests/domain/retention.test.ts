import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../domain/digest.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import { bindingRetention, releasingRetention, retentionDecider } from '../../domain/retention/decider.ts';
import { type Candidate, evaluate } from '../../domain/retention/evaluate.ts';
import { type RetentionEvent, retentionStream } from '../../domain/retention/events.ts';
import type { RetentionRule, Template } from '../../domain/retention/rules.ts';
import { readRules, rulesHere } from '../../domain/retention/select.ts';
import { given } from '../given.ts';

const untagged = '{"untagged":true}';
const ruleOf = (
  template: Template,
  value: number | null = null,
  {
    tags = '**',
    decoration = 'matches',
    extras = untagged,
    ...more
  }: {
    readonly tags?: string;
    readonly decoration?: 'matches' | 'excludes';
    readonly extras?: string;
    readonly disabled?: boolean;
    readonly repositories?: RetentionRule['repositories'];
  } = {},
): RetentionRule => ({
  template,
  value,
  disabled: false,
  priority: 0,
  tags: [{ kind: 'doublestar', decoration, pattern: tags, extras }],
  repositories: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }],
  ...more,
});

const now = new Date('2026-03-31T00:00:00.000Z');
const daysAgo = (days: number) => new Date(now.getTime() - days * 24 * 60 * 60 * 1000);
const digestOf = (id: number) => `sha256:${String(id).padStart(64, '0')}` as Digest;
/** Pushed on the day of its number, so that a higher one is newer. */
const artifact = (
  id: number,
  tags: readonly string[] = [`v${id}`],
  more: Partial<Candidate> = {},
): Candidate => ({
  id,
  digest: digestOf(id),
  tags,
  pushedAt: daysAgo(30 - id),
  pulledAt: null,
  immutable: false,
  partOf: [],
  ...more,
});

const verdictsOn = (candidates: readonly Candidate[], ...rules: readonly RetentionRule[]) => [
  ...evaluate(rulesHere(readRules(rules), 'team/app'), candidates, now),
];
const keptOf = (candidates: readonly Candidate[], ...rules: readonly RetentionRule[]): readonly number[] =>
  verdictsOn(candidates, ...rules)
    .filter(({ kept }) => kept)
    .map(({ candidate }) => candidate.id);
const causesOf = (candidates: readonly Candidate[], ...rules: readonly RetentionRule[]) =>
  verdictsOn(candidates, ...rules).map(({ cause }) => cause);
const some = [1, 2, 3, 4].map((id) => artifact(id));

test('the artifacts that were pushed last are kept, and the rest goes', () => {
  assert.deepEqual(keptOf(some, ruleOf('latestPushedK', 2)), [3, 4]);
  assert.deepEqual(keptOf(some, ruleOf('latestPushedK', 9)), [1, 2, 3, 4]);
  assert.deepEqual(keptOf(some, ruleOf('latestPushedK', 0)), []);
});

test('of artifacts pushed at one time the later in the log is kept, whatever their order', () => {
  const twins = [1, 2, 3].map((id) => artifact(id, [`v${id}`], { pushedAt: daysAgo(1) }));
  assert.deepEqual(keptOf(twins, ruleOf('latestPushedK', 1)), [3]);
  assert.deepEqual(keptOf(twins.toReversed(), ruleOf('latestPushedK', 1)), [3]);
});

test('the artifacts that were pulled last are kept, and those never pulled come after them', () => {
  const pulled = [
    artifact(1, ['a'], { pulledAt: daysAgo(1) }),
    artifact(2, ['b'], { pulledAt: daysAgo(2) }),
    artifact(3),
    artifact(4),
  ];
  assert.deepEqual(keptOf(pulled, ruleOf('latestPulledN', 1)), [1]);
  assert.deepEqual(keptOf(pulled, ruleOf('latestPulledN', 3)), [1, 2, 4]);
});

test('artifacts are kept for some days after their push, and the last moment counts', () => {
  const edge = [
    artifact(1, ['a'], { pushedAt: daysAgo(7) }),
    artifact(2, ['b'], { pushedAt: new Date(daysAgo(7).getTime() - 1) }),
  ];
  assert.deepEqual(keptOf(edge, ruleOf('nDaysSinceLastPush', 7)), [1]);
});

test('artifacts are kept for some days after their last pull, and one never pulled is not', () => {
  const pulled = [
    artifact(1, ['a'], { pulledAt: daysAgo(3) }),
    artifact(2, ['b'], { pulledAt: daysAgo(8) }),
    artifact(3),
  ];
  assert.deepEqual(keptOf(pulled, ruleOf('nDaysSinceLastPull', 7)), [1]);
});

test('always keeps all that it selects', () => {
  assert.deepEqual(keptOf(some, ruleOf('always', null, { tags: 'v{1,3}' })), [1, 3]);
});

test('what any rule keeps is kept, and the first that does is named', () => {
  const verdicts = verdictsOn(some, ruleOf('latestPushedK', 1), ruleOf('always', null, { tags: 'v{1,4}' }));
  assert.deepEqual(
    verdicts.map(({ kept, rule }) => [kept, rule]),
    [
      [true, 2],
      [false, null],
      [false, null],
      [true, 1],
    ],
  );
});

test('an artifact is kept with all of its tags if a rule selects one of them', () => {
  const both = artifact(1, ['release', 'junk']);
  assert.deepEqual(keptOf([both], ruleOf('always', null, { tags: 'release' })), [1]);
  assert.deepEqual(keptOf([both], ruleOf('always', null, { tags: 'junk', decoration: 'excludes' })), [1]);
  const only = artifact(2, ['junk']);
  assert.deepEqual(keptOf([only], ruleOf('always', null, { tags: 'junk', decoration: 'excludes' })), []);
});

test('a count is of what the rule selects, and not of all', () => {
  assert.deepEqual(keptOf(some, ruleOf('latestPushedK', 1, { tags: 'v{1,2}' })), [2]);
});

test('artifacts without a tag are only considered by rules that say so', () => {
  const bare = [artifact(1, []), artifact(2), artifact(3, [])];
  for (const extras of ['', '{}', '{"untagged":false}', '["untagged":True]', 'null', '7'])
    assert.deepEqual(
      causesOf(bare, ruleOf('latestPushedK', 1, { extras })),
      ['untagged', 'rule', 'untagged'],
      extras,
    );
  assert.deepEqual(keptOf(bare, ruleOf('latestPushedK', 1)), [3]);
  const excluding = ruleOf('always', null, { tags: 'x', decoration: 'excludes' });
  assert.deepEqual(causesOf(bare, excluding), ['no-rule-keeps', 'rule', 'no-rule-keeps']);
});

test('immutable artifacts stay, and take the place of none', () => {
  const locked = [artifact(1, ['a'], { immutable: true }), artifact(2), artifact(3)];
  assert.deepEqual(causesOf(locked, ruleOf('latestPushedK', 1)), ['immutable', 'no-rule-keeps', 'rule']);
});

test('what is a part of an index that stays is kept, and goes with one that goes', () => {
  const part = artifact(1, ['part'], { partOf: [digestOf(9)] });
  const index = artifact(9, ['all']);
  assert.deepEqual(causesOf([part, index], ruleOf('always', null, { tags: 'all' })), [
    'part-of-index',
    'rule',
  ]);
  assert.deepEqual(keptOf([part, index], ruleOf('always', null, { tags: 'x' })), []);
  // One that no tag names itself, so that no run decides about it.
  assert.deepEqual(keptOf([part], ruleOf('always', null, { tags: 'x' })), [1]);
  const chain = [
    artifact(1, ['a'], { partOf: [digestOf(2)] }),
    artifact(2, ['b'], { partOf: [digestOf(3)] }),
    artifact(3, ['c'], { immutable: true }),
  ];
  assert.deepEqual(keptOf(chain, ruleOf('always', null, { tags: 'x' })), [1, 2, 3]);
});

test('a rule counts in the repositories that it names, and without one nothing goes', () => {
  const repositories: RetentionRule['repositories'] = [
    { kind: 'doublestar', decoration: 'repoMatches', pattern: 'lib/**' },
    { kind: 'doublestar', decoration: 'repoExcludes', pattern: 'lib/old' },
  ];
  const rules = readRules([ruleOf('latestPushedK', 0, { repositories })]);
  const keptIn = (name: string) =>
    [...evaluate(rulesHere(rules, name), some, now)].filter(({ kept }) => kept);
  assert.equal(keptIn('team/lib/new').length, 0);
  assert.equal(keptIn('team/lib/old').length, 4);
  assert.deepEqual(
    keptIn('team/app').map(({ cause }) => cause),
    some.map(() => 'no-rule-here'),
  );
});

test('a rule that is disabled does not count, and the others keep their numbers', () => {
  const rules = [ruleOf('always', null, { disabled: true }), ruleOf('latestPushedK', 1)];
  assert.deepEqual(
    verdictsOn(some, ...rules).map(({ rule }) => rule),
    [null, null, null, 2],
  );
  assert.deepEqual(keptOf(some, ruleOf('always', null, { disabled: true })), [1, 2, 3, 4]);
});

test('a verdict says what every rule has found', () => {
  const [first, second] = verdictsOn(
    [artifact(1, ['old'], { pulledAt: daysAgo(9) }), artifact(2)],
    ruleOf('latestPushedK', 1),
    ruleOf('nDaysSinceLastPull', 7, { tags: 'old' }),
  );
  assert.equal(
    first?.why,
    'rule 1 keeps the 1 that were pushed last, of which this is number 2; rule 2 keeps what was pulled in the last 7 days; this was pulled last at 2026-03-22T00:00:00.000Z',
  );
  assert.equal(second?.why, 'rule 1 keeps the 1 that were pushed last, of which this is number 1');
});

const scope = { project: 'team', projectId: 2 };
const rules = [ruleOf('always')];
const created: RetentionEvent = {
  type: 'RetentionPolicyCreated',
  data: { policyId: 3, ...scope, rules, cron: '' },
};
const gone: RetentionEvent = { type: 'RetentionPolicyDeleted', data: { policyId: 3, ...scope } };

test('a policy is created once under its number, which has a stream of its own', () => {
  const create = { do: 'create', ...scope, rules, cron: '' } as const;
  assert.equal(retentionStream(3), 'retention/3');
  given(retentionDecider(3)).when(create).then(created);
  given(retentionDecider(3), created).when(create).then();
});

test('a policy gets other rules and another time, and the same again changes nothing', () => {
  const change = { do: 'change', rules: [], cron: '0 0 0 * * *' } as const;
  given(retentionDecider(3), created)
    .when(change)
    .then({
      type: 'RetentionPolicyChanged',
      data: { policyId: 3, ...scope, rules: [], cron: '0 0 0 * * *' },
    });
  given(retentionDecider(3), created).when({ do: 'change', rules, cron: '' }).then();
});

test('a policy that is not there is neither changed nor deleted', () => {
  for (const past of [[], [created, gone]])
    for (const command of [{ do: 'delete' }, { do: 'change', rules, cron: '' }] as const)
      given(retentionDecider(3), ...past)
        .when(command)
        .thenRefused({ kind: 'retention-unknown', policyId: 3 });
  given(retentionDecider(3), created).when({ do: 'delete' }).then(gone);
});

const project: ProjectEvent = {
  type: 'ProjectCreated',
  data: { name: 'team', projectId: 2, public: false, owner: 'jane', storageLimit: null },
};
const bound = (retention_id: string): ProjectEvent => ({
  type: 'ProjectMetadataChanged',
  data: { name: 'team', projectId: 2, public: false, metadata: { retention_id } },
});
const binding = { name: 'team', projectId: 2, policyId: 3 };

test('a project has one policy at most', () => {
  given(bindingRetention, project).when(binding).then(bound('3'));
  given(bindingRetention, project, bound('3')).when(binding).then();
  given(bindingRetention, project, bound('1'))
    .when(binding)
    .thenRefused({ kind: 'retention-exists', projectId: 2, policyId: 1 });
  given(bindingRetention).when(binding).thenRefused({ kind: 'project-unknown', project: 'team' });
});

test('a project that lets its policy go has none, and one of another policy or number is left alone', () => {
  const free: ProjectEvent = {
    type: 'ProjectMetadataChanged',
    data: { name: 'team', projectId: 2, public: false, metadata: {} },
  };
  given(releasingRetention, project, bound('3')).when(binding).then(free);
  given(releasingRetention, project, bound('1')).when(binding).then();
  given(releasingRetention, project, bound('3'))
    .when({ ...binding, projectId: 9 })
    .then();
  given(releasingRetention).when(binding).then();
});
