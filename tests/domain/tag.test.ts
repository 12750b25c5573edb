import { test } from 'node:test';
import { digestFrom } from '../../domain/digest.ts';
import { assigning, removingTag } from '../../domain/tag/decider.ts';
import { given } from '../given.ts';

const at = { repository: 'library/hello', tag: '1.0' };
const first = digestFrom('sha256', '1'.repeat(64));
const second = digestFrom('sha512', '2'.repeat(128));

test('a tag that points at nothing is assigned', () => {
  given(assigning)
    .when({ ...at, isImmutable: false, digest: first })
    .then({ type: 'TagAssigned', data: { ...at, digest: first } });
});

test('a tag that points at another manifest moves, and says from where', () => {
  given(assigning, { type: 'TagAssigned', data: { ...at, digest: first } })
    .when({ ...at, isImmutable: false, digest: second })
    .then({ type: 'TagMoved', data: { ...at, from: first, digest: second } });
});

test('a tag can move back to where it was', () => {
  given(
    assigning,
    { type: 'TagAssigned', data: { ...at, digest: first } },
    { type: 'TagMoved', data: { ...at, from: first, digest: second } },
  )
    .when({ ...at, isImmutable: false, digest: first })
    .then({ type: 'TagMoved', data: { ...at, from: second, digest: first } });
});

test('a tag that points at the manifest already stays, without an event', () => {
  given(
    assigning,
    { type: 'TagAssigned', data: { ...at, digest: first } },
    { type: 'TagMoved', data: { ...at, from: first, digest: second } },
  )
    .when({ ...at, isImmutable: false, digest: second })
    .then();
});

const assigned = { type: 'TagAssigned', data: { ...at, digest: first } } as const;
const removed = { type: 'TagRemoved', data: { ...at, digest: first } } as const;

test('a tag that is removed says what it pointed at, and can be assigned again', () => {
  given(removingTag, assigned)
    .when({ ...at, isImmutable: false })
    .then(removed);
  given(assigning, assigned, removed)
    .when({ ...at, isImmutable: false, digest: second })
    .then({ type: 'TagAssigned', data: { ...at, digest: second } });
});

test('a tag that points at nothing is not removed once more', () => {
  given(removingTag)
    .when({ ...at, isImmutable: false })
    .then();
  given(removingTag, assigned, removed)
    .when({ ...at, isImmutable: false })
    .then();
});

test('a tag that goes with its manifest stays where it has moved on', () => {
  given(removingTag, assigned)
    .when({ ...at, isImmutable: false, digest: second })
    .then();
  given(removingTag, assigned)
    .when({ ...at, isImmutable: false, digest: first })
    .then(removed);
});

const absent = { kind: 'absent' } as const;
const pointsAt = (digests: '*' | (typeof first)[]) => ({ kind: 'points-at', digests }) as const;
const assign = { ...at, digest: second };

test('a push that wants a new tag is refused where the tag points at something', () => {
  given(assigning)
    .when({ ...assign, isImmutable: false, condition: absent })
    .then({ type: 'TagAssigned', data: assign });
  given(assigning, assigned)
    .when({ ...assign, isImmutable: false, condition: absent })
    .thenRefused({ kind: 'tag-condition-failed', ...assign, current: first });
  given(assigning, assigned, removed)
    .when({ ...assign, isImmutable: false, condition: absent })
    .then({ type: 'TagAssigned', data: assign });
});

for (const digests of [[first], [second, first], '*'] as const) {
  test(`a push that wants the tag at ${digests === '*' ? 'anything' : digests.length} moves it from there`, () => {
    given(assigning, assigned)
      .when({ ...assign, isImmutable: false, condition: pointsAt(digests === '*' ? '*' : [...digests]) })
      .then({ type: 'TagMoved', data: { ...assign, from: first } });
  });
}

test('a push that wants the tag elsewhere than it points, or at all, is refused', () => {
  given(assigning, assigned)
    .when({ ...assign, isImmutable: false, condition: pointsAt([second]) })
    .thenRefused({ kind: 'tag-condition-failed', ...assign, current: first });
  given(assigning)
    .when({ ...assign, isImmutable: false, condition: pointsAt('*') })
    .thenRefused({ kind: 'tag-condition-failed', ...assign, current: null });
});

const immutable = (deed: 'move' | 'delete') => ({ kind: 'tag-immutable', ...at, deed }) as const;

test('an immutable tag is assigned once, and points there for good', () => {
  given(assigning)
    .when({ ...assign, isImmutable: true })
    .then({ type: 'TagAssigned', data: assign });
  given(assigning, assigned)
    .when({ ...assign, isImmutable: true })
    .thenRefused(immutable('move'));
  given(assigning, assigned)
    .when({ ...at, digest: first, isImmutable: true })
    .then();
  given(removingTag, assigned)
    .when({ ...at, isImmutable: true })
    .thenRefused(immutable('delete'));
});

test('an immutable tag that points at nothing, or has moved on, is none that a deletion asks about', () => {
  given(removingTag)
    .when({ ...at, isImmutable: true })
    .then();
  given(removingTag, assigned)
    .when({ ...at, digest: second, isImmutable: true })
    .then();
});

test('a push that wants a new tag is told that there is one, immutable or not', () => {
  given(assigning, assigned)
    .when({ ...assign, isImmutable: true, condition: absent })
    .thenRefused({ kind: 'tag-condition-failed', ...assign, current: first });
});
