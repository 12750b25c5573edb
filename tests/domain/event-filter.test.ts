import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bothOf,
  everyEvent,
  FilterInvalid,
  filterMatches,
  filterOf,
  globMatches,
  parseFilter,
} from '../../domain/public-event/filter.ts';
import type { PublicEvent } from '../../domain/public-event/public-event.ts';

const moved: PublicEvent = {
  ...{ id: 'e1', position: 7n, stream: 'tag/pay-web/api:v1.2', revision: 1n },
  ...{ type: 'tag.moved', time: new Date(0), project: 'pay-web', projectId: 2 },
  ...{ repository: 'pay-web/api', tag: 'v1.2', digest: 'sha256:abc' },
  ...{
    actor: { kind: 'robot', name: 'ci bot' },
    result: 'done',
    correlationId: 'c1',
    need: 'read',
    data: {},
  },
};
const matches = (text: string, event = moved) => filterMatches(parseFilter(text), event);

test('a filter of no terms matches every event', () => {
  assert.ok(matches(''));
  assert.ok(matches('   '));
  assert.ok(filterMatches(everyEvent, moved));
});

test('terms of one key are alternatives, and all keys count', () => {
  assert.ok(matches('type:tag.moved'));
  assert.ok(matches('type:artifact.* type:tag.*'));
  assert.ok(matches('type:tag.* project:pay* repo:*/api tag:v* digest:sha256:a* result:done'));
  assert.ok(matches('stream:tag/pay-web/* correlation:c1'));
  assert.ok(!matches('type:tag.* project:other'));
  assert.ok(!matches('result:refused'));
});

test('quotes hold a pattern together, and take what follows a backslash as it is', () => {
  assert.ok(matches('actor:"ci bot"'));
  assert.ok(matches('actor:"robot:ci *" type:*'));
  assert.ok(!matches('actor:"user:ci bot"'));
  assert.deepEqual(parseFilter('tag:"a\\"b\\\\"').get('tag'), ['a"b\\']);
});

test('what an event does not have matches no pattern', () => {
  const { tag: _, actor: __, ...other } = moved;
  assert.ok(!matches('tag:*', other));
  assert.ok(!matches('actor:*', other));
});

test('a filter that cannot be read is refused with the term that is wrong', () => {
  const refused: readonly [string, RegExp][] = [
    ['tag.moved', /"tag\.moved" is not a key/],
    ['type: tag.moved', /"type:" is not a key/],
    ['colour:red', /"colour" is not one of type, actor/],
    ['constructor:x', /"constructor" is not one of/],
    ['type:tag.renamed', /"type:tag\.renamed": there is no such type/],
    ['result:good', /"result:good" is none of done, refused, failed/],
    ['actor:"ada', /is not a key, a colon and a pattern/],
    ['actor:"a"b', /is not a key, a colon and a pattern/],
    ['actor:""', /has no pattern/],
    ['tag:a\0b', /is no text/],
    ['tag:\ud800', /is no text/],
    ['tag:*a*b*c*d*e*f*g*h*i', /more than 8 stars/],
    ['tag:v '.repeat(51), /at most 50 terms/],
    [`tag:${'v'.repeat(2000)}`, /at most 2000 characters/],
  ];
  for (const [text, message] of refused)
    assert.throws(
      () => parseFilter(text),
      (error) => error instanceof FilterInvalid && message.test(error.message),
      text.slice(0, 40),
    );
});

test('two filters at once are what both ask for', () => {
  const filter = bothOf(
    parseFilter('type:tag.* tag:v*'),
    filterOf([
      ['tag', 'w*'],
      ['project', 'pay-web'],
    ]),
  );
  assert.deepEqual(
    [...filter],
    [
      ['type', ['tag.*']],
      ['tag', ['v*', 'w*']],
      ['project', ['pay-web']],
    ],
  );
});

test('a star stands for any characters, and nothing else is special', () => {
  for (const [pattern, text, is] of [
    ['a*c', 'abc', true],
    ['a*c', 'ac', true],
    ['a*a', 'a', false],
    ['*', '', true],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxc', false],
    ['a.c', 'abc', false],
    ['**', 'x', true],
    ['a*bb*b', 'abb', false],
  ] as const)
    assert.equal(globMatches(pattern, text), is, `${pattern} ${text}`);
});
