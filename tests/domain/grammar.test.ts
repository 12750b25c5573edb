import assert from 'node:assert/strict';
import { test } from 'node:test';
import { algorithmOf, digestFrom, hexOf, parseDigest } from '../../domain/digest.ts';
import { projectOf, repositoryName, tagName } from '../../domain/repository.ts';

const sha256 = `sha256:${'0123456789abcdef'.repeat(4)}`;
const sha512 = `sha512:${'0123456789abcdef'.repeat(8)}`;

test('a digest is sha256 with 64 or sha512 with 128 lower-case hex digits', () => {
  assert.equal(parseDigest(sha256), sha256);
  assert.equal(parseDigest(sha512), sha512);
});

for (const [fault, text] of Object.entries({
  'is empty': '',
  'has no algorithm': 'a'.repeat(64),
  'has an empty algorithm': `:${'a'.repeat(64)}`,
  'has no hex': 'sha256:',
  'is too short': sha256.slice(0, -1),
  'is too long': `${sha256}0`,
  'is sha256 with the length of sha512': `sha256:${'a'.repeat(128)}`,
  'is sha512 with the length of sha256': `sha512:${'a'.repeat(64)}`,
  'has upper-case hex': sha256.toUpperCase().replace('SHA', 'sha'),
  'has an upper-case algorithm': sha256.replace('sha', 'SHA'),
  'has a letter that is no hex digit': `sha256:${'g'.repeat(64)}`,
  'ends with a line break': `${sha256}\n`,
  'starts with a space': ` ${sha256}`,
  'has text after it': `${sha256}/..`,
  'is of md5': `md5:${'a'.repeat(32)}`,
  'is of sha384': `sha384:${'a'.repeat(96)}`,
  'is of blake3': `blake3:${'a'.repeat(64)}`,
  'is a tag of the referrers scheme': sha256.replace(':', '-'),
  'is a path': 'sha256:../../../../etc/passwd',
})) {
  test(`no digest ${fault}`, () => {
    assert.equal(parseDigest(text), undefined);
  });
}

test('a digest falls apart into its algorithm and hex and is put together again', () => {
  const digest = parseDigest(sha512);
  assert.ok(digest);
  assert.equal(algorithmOf(digest), 'sha512');
  assert.equal(hexOf(digest), '0123456789abcdef'.repeat(8));
  assert.equal(digestFrom(algorithmOf(digest), hexOf(digest)), sha512);
});

for (const name of [
  'a',
  '0',
  'library',
  'library/hello',
  'a/b/c/d/e/f/g/h',
  'a.b',
  'a_b',
  'a__b',
  'a-b',
  'a---b',
  'a-b_c.d__e/0-9',
  // Names that look like routes are names.
  'v2',
  'blobs/uploads',
  'library/manifests/tags/list',
  'a'.repeat(255),
]) {
  test(`${name.length > 60 ? `a name of ${name.length} characters` : name} is a repository's name`, () => {
    assert.equal(repositoryName.safeParse(name).success, true);
  });
}

for (const [fault, name] of Object.entries({
  'is empty': '',
  'has upper case': 'Library/hello',
  'has an empty component': 'a//b',
  'starts with a slash': '/a',
  'ends with a slash': 'a/',
  'starts with a separator': '-a',
  'ends with a separator': 'a-',
  'ends a component with a separator': 'a./b',
  'starts with an underscore': '_catalog',
  'has two dots in a row': 'a..b',
  'has three underscores in a row': 'a___b',
  'mixes separators': 'a._b',
  'mixes separators with a dash': 'a.-b',
  'is dots alone': '..',
  climbs: 'a/../b',
  'has a space': 'a b',
  'has a colon': 'a:b',
  'has an at sign': 'a@b',
  'has a backslash': 'a\\b',
  'has a percent sign': 'a%2fb',
  'has a NUL': 'a\0',
  'ends with a line break': 'a\n',
  'has an accent': 'café',
  'has a full-width letter': 'ａ',
  'has the Kelvin sign': '\u212a',
  'has 256 characters': 'a'.repeat(256),
})) {
  test(`no repository's name ${fault}`, () => {
    assert.equal(repositoryName.safeParse(name).success, false);
  });
}

test('a hostile name of 255 characters is refused without backtracking over all its splits', () => {
  assert.equal(repositoryName.safeParse(`${'a-'.repeat(127)}A`).success, false);
  assert.equal(repositoryName.safeParse(`${'-'.repeat(254)}A`).success, false);
  assert.equal(repositoryName.safeParse(`a${'-'.repeat(253)}A`).success, false);
  assert.equal(repositoryName.safeParse(`${'a/'.repeat(127)}A`).success, false);
});

test('the project of a repository is all before its first slash', () => {
  assert.equal(projectOf('library/hello'), 'library');
  assert.equal(projectOf('a/b/c'), 'a');
  assert.equal(projectOf('alone'), 'alone');
});

for (const tag of ['latest', '1.0', 'A', 'a', '_', '0', 'a.b-c_d', '_-.', 'list', 'a'.repeat(128)]) {
  test(`${tag.length > 60 ? `a text of ${tag.length} characters` : tag} is a tag`, () => {
    assert.equal(tagName.safeParse(tag).success, true);
  });
}

for (const [fault, tag] of Object.entries({
  'is empty': '',
  'starts with a dot': '.a',
  'starts with a dash': '-a',
  'is dots alone': '..',
  'has a slash': 'a/b',
  'has a colon': 'a:b',
  'has a plus sign': '1.0+build',
  'has a space': 'a b',
  'has a NUL': 'a\0',
  'ends with a line break': 'a\n',
  'has an accent': 'café',
  'has 129 characters': 'a'.repeat(129),
})) {
  test(`no tag ${fault}`, () => {
    assert.equal(tagName.safeParse(tag).success, false);
  });
}
