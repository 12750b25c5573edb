import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cost, matcher } from '../../domain/selector/matcher.ts';
import { PatternInvalid } from '../../domain/selector/pattern.ts';
import { remembered } from '../../domain/selector/remembered.ts';
import { artifactsOf, repositoriesOf, tagsOf, untaggedIn } from '../../domain/selector/selector.ts';

/** Each pattern matches the names of the first list and none of the second. */
function selects(pattern: string, matching: readonly string[], others: readonly string[]): void {
  const matches = matcher(pattern);
  assert.deepEqual(
    matching.filter((name) => !matches(name)),
    [],
    `${pattern} is for these`,
  );
  assert.deepEqual(others.filter(matches), [], `${pattern} is not for these`);
}

test('a pattern without wildcards is for the name itself, the whole of it', () => {
  selects('v1.0', ['v1.0'], ['v1', 'v1.0-rc', 'av1.0', 'v1x0', '', 'V1.0']);
});

test('one star stays within a path component', () => {
  selects('*', ['app', ''], ['team/app', '/']);
  selects('v*.0', ['v.0', 'v1.0', 'v1.2.0'], ['v1.0-rc', 'v1/x.0', '1.0']);
  selects('a*b*c', ['abc', 'axbxc', 'abbcc'], ['ab', 'acb', 'a/b/c']);
  selects('team/*/app', ['team/x/app', 'team//app'], ['team/app', 'team/x/y/app']);
});

test('a question mark is exactly one character, but no slash', () => {
  selects('v?', ['v1', 'vé', 'v🙂'], ['v', 'v12', 'v/']);
  selects('a???b', ['a123b'], ['a🙂b', 'a12b']);
});

test('two stars are any number of path components, where they are one of their own', () => {
  selects('**', ['', 'app', 'team/app', 'a/b/c'], []);
  selects('team/**', ['team/app', 'team/a/b', 'team/', 'team'], ['teams', 'other/app', 'team2/app']);
  selects('team/**/', ['team', 'team/', 'team/a/'], ['team/a']);
  selects('**/app', ['app', 'team/app', 'a/b/app'], ['myapp', 'a/myapp', 'app/x']);
  selects('a/**/c', ['a/c', 'a/b/c', 'a/b/b/c'], ['ac', 'a/bc', 'ab/c']);
  selects('**/x/**', ['x', 'a/x', 'x/a', 'a/b/x/c/d'], ['ax', 'a/xb']);
});

test('two stars beside other characters are as one, and so are more than two', () => {
  selects('a**', ['a', 'abc'], ['a/b']);
  selects('**.txt', ['a.txt'], ['a/b.txt']);
  selects('***', ['abc', ''], ['a/b']);
});

test('a class is one of its characters, or with ^ or ! none of them', () => {
  selects('v[0-9]', ['v0', 'v9'], ['v', 'va', 'v10', 'v-']);
  selects('[a-cx]', ['a', 'b', 'c', 'x'], ['d', '-', '']);
  selects('[^a-c]', ['d', '-'], ['a', 'b', '', '/']);
  selects('[!a]', ['b'], ['a']);
  selects('[-a]', ['-', 'a'], ['b']);
  selects('[a-]', ['-', 'a'], ['b']);
  selects('[a-b-d]', ['a', 'b', '-', 'd'], ['c']);
  selects('[\\]\\-]', [']', '-'], ['\\', 'a']);
  selects('[α-ω]', ['λ'], ['a']);
  selects('[z-a]', [], ['a', 'm', 'z', '-']);
});

test('alternatives in braces are patterns, may be empty, and nest', () => {
  selects('{a,b}', ['a', 'b'], ['c', 'ab', 'a,b', '']);
  selects('v1{,-rc*}', ['v1', 'v1-rc', 'v1-rc2'], ['v1-x', 'v']);
  selects('{a{1,2},b/**}', ['a1', 'a2', 'b', 'b/x/y'], ['a', 'a12', 'bx']);
  selects('{team,tools}/{*,x/?}', ['team/a', 'tools/x/y'], ['team/x/yy', 'other/a']);
  selects('{one}', ['one'], ['{one}']);
  selects('{a/b,c}/**', ['a/b', 'a/b/x', 'c/y/z'], ['a', 'a/x']);
  selects('{**/,}app', ['app', 'x/app', 'x/y/app'], ['xapp']);
});

test('a comma is one of the name outside of braces', () => {
  selects('a,b', ['a,b'], ['a', 'b']);
});

test('what follows a backslash is taken as it is', () => {
  selects('\\*', ['*'], ['a', '\\*']);
  selects('\\{a\\,b\\}', ['{a,b}'], ['a']);
  selects('{\\,,\\}}', [',', '}'], ['']);
});

test('a pattern that is not finished is refused with what is wrong', () => {
  const invalid = {
    '[': /not closed/,
    '[^': /not closed/,
    'a[b': /not closed/,
    '[]': /empty/,
    '[!]a]': /empty/,
  };
  const braces = { '{': /not closed/, '{a,{b}': /not closed/, '}': /no \{ before/, 'a}{b': /no \{ before/ };
  const escapes = { '\\': /nothing follows/, '[\\': /not closed/, '[a-': /not closed/, '{[}': /not closed/ };
  for (const [pattern, message] of Object.entries({ ...invalid, ...braces, ...escapes }))
    assert.throws(
      () => matcher(pattern),
      (error) => error instanceof PatternInvalid && message.test(error.message),
      pattern,
    );
});

/** What it has cost to compare a pattern with the names, one after the other. */
function costOf(pattern: string, names: readonly string[]): Cost {
  let last: Cost | undefined;
  const matches = matcher(pattern, (cost) => {
    last = cost;
  });
  for (const name of names) matches(name);
  assert.ok(last !== undefined);
  return last;
}

/** As long as tags can be, and no two alike. */
const longTags = Array.from({ length: 100 }, (_, index) =>
  // The bits of the squares of numbers: nothing repeats in them.
  Array.from({ length: 8 }, (_, part) => ((index * 8 + part + 257) ** 2).toString(2).padStart(32, '0'))
    .join('')
    .slice(0, 128)
    .replaceAll('0', 'a')
    .replaceAll('1', 'b'),
);

test('a hostile pattern takes no more than its length for each character', () => {
  const length = 1000;
  const hostile = [
    'a*'.repeat(length / 2),
    `${'*a'.repeat(length / 2 - 1)}*b`,
    '**/'.repeat(length / 3),
    '{a,a}'.repeat(length / 5),
    '{a*,*a}'.repeat(length / 7),
    '{,a,b}'.repeat(length / 6),
    `*a${'?'.repeat(length)}`,
    `${'{'.repeat(length / 2)}a${'}'.repeat(length / 2)}`,
    `${'{a,'.repeat(length / 4)}b${'}'.repeat(length / 4)}`,
    `${'{,'.repeat(length / 3)}${'}'.repeat(length / 3)}b`,
    `{${'**/,'.repeat(length / 4)}}b`,
    '[a-z]'.repeat(length / 5),
  ];
  for (const pattern of hostile)
    for (const name of ['a'.repeat(255), 'a/'.repeat(127), longTags[0] as string]) {
      const { steps } = costOf(pattern, [name]);
      assert.ok(steps <= 4 * pattern.length * (name.length + 1), `${pattern.slice(0, 20)}: ${steps}`);
    }
});

test('names that go the same ways through a pattern go them for the cost of one', () => {
  const stars = `{${'*,'.repeat(510)}*}b`;
  assert.ok(costOf(stars, longTags).steps < 100, 'alternatives that are the same are one');
  const list = `{${Array.from({ length: 100 }, (_, index) => `*-rc${index}`).join()}}`;
  const [one, all] = [costOf(list, longTags.slice(0, 1)), costOf(list, longTags)];
  assert.ok(all.steps <= 2 * one.steps, `${one.steps} for one name, ${all.steps} for a hundred`);
});

test('what a pattern keeps in memory is bounded, and what was dropped is found again', () => {
  for (const pattern of [
    `*a${'?'.repeat(60)}*`,
    `{*a${'?'.repeat(60)},*b${'?'.repeat(70)}c}`,
    '{*a,b*}?[ab]*',
  ]) {
    const { kept } = costOf(pattern, longTags);
    assert.ok(kept <= 1024 + 40 * pattern.length, `${pattern} keeps ${kept}`);
    const matches = matcher(pattern);
    const once = longTags.map((tag) => matches(tag));
    assert.deepEqual(
      longTags.map((tag) => matcher(pattern)(tag)),
      once,
      pattern,
    );
    assert.deepEqual(
      longTags.map((tag) => matches(tag)),
      once,
      pattern,
    );
  }
});

test('what is asked for again and again is made once, and what was not asked for longest is forgotten', () => {
  const made: string[] = [];
  const get = remembered((text) => made.push(text), 300);
  for (const text of ['a', 'b', 'a', 'c', 'a', 'd', 'e', 'a', 'b']) get(text);
  assert.deepEqual(made, ['a', 'b', 'c', 'd', 'e', 'b']);
  get('x'.repeat(1000));
  get('a');
  assert.deepEqual(made.slice(-1), ['a'], 'what is too much for it takes no room');
});

const tags = (decoration: 'matches' | 'excludes', pattern: string, extras = '') =>
  ({ kind: 'doublestar', decoration, pattern, extras }) as const;
const repositories = (decoration: 'repoMatches' | 'repoExcludes', pattern: string) =>
  ({ kind: 'doublestar', decoration, pattern }) as const;

test('a repository is selected by its name without the project', () => {
  const selected = repositoriesOf(repositories('repoMatches', 'app'));
  assert.deepEqual(['team/app', 'app/team', 'team/x/app'].map(selected), [true, false, false]);
  const left = repositoriesOf(repositories('repoExcludes', '**/app'));
  assert.deepEqual(['team/app', 'app/team', 'team/x/app'].map(left), [false, true, false]);
  assert.ok(repositoriesOf(repositories('repoMatches', '**'))('team/x/app'));
});

test('a selector that excludes is for all that its pattern is not for', () => {
  assert.deepEqual(['latest', 'v1'].map(tagsOf(tags('matches', 'v*'))), [false, true]);
  assert.deepEqual(['latest', 'v1'].map(tagsOf(tags('excludes', 'v*'))), [true, false]);
});

test('an empty pattern is for every name, as in Harbor', () => {
  assert.ok(tagsOf(tags('matches', ''))('v1'));
  assert.ok(!tagsOf(tags('excludes', ''))('v1'));
});

test('an artifact is selected by any of its tags', () => {
  assert.ok(artifactsOf(tags('matches', 'v*'))(['latest', 'v1']));
  assert.ok(!artifactsOf(tags('matches', 'v*'))(['latest']));
  assert.ok(artifactsOf(tags('excludes', 'v*'))(['latest', 'v1']));
  assert.ok(!artifactsOf(tags('excludes', 'v*'))(['v1', 'v2']));
});

test('an artifact without a tag is selected unless the extras say otherwise', () => {
  const untagged = (decoration: 'matches' | 'excludes', extras: string) =>
    artifactsOf(tags(decoration, 'v*', extras))([]);
  const extras = ['', '{"untagged":true}', '{"untagged":false}', '{}', 'no JSON', '[true]'];
  assert.deepEqual(
    extras.map((each) => untagged('matches', each)),
    [true, true, false, false, true, true],
  );
  assert.deepEqual(
    extras.map((each) => untagged('excludes', each)),
    [true, false, true, true, true, true],
  );
  assert.deepEqual(extras.map(untaggedIn), [undefined, true, false, false, undefined, undefined]);
});
