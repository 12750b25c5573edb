import { test } from 'node:test';
import { digestFrom } from '../../domain/digest.ts';
import { tagDecider } from '../../domain/tag/decider.ts';
import { given } from '../given.ts';

const at = { repository: 'library/hello', tag: '1.0' };
const first = digestFrom('sha256', '1'.repeat(64));
const second = digestFrom('sha512', '2'.repeat(128));

test('a tag that points at nothing is assigned', () => {
  given(tagDecider)
    .when({ ...at, digest: first })
    .then({ type: 'TagAssigned', data: { ...at, digest: first } });
});

test('a tag that points at another manifest moves, and says from where', () => {
  given(tagDecider, { type: 'TagAssigned', data: { ...at, digest: first } })
    .when({ ...at, digest: second })
    .then({ type: 'TagMoved', data: { ...at, from: first, digest: second } });
});

test('a tag can move back to where it was', () => {
  given(
    tagDecider,
    { type: 'TagAssigned', data: { ...at, digest: first } },
    { type: 'TagMoved', data: { ...at, from: first, digest: second } },
  )
    .when({ ...at, digest: first })
    .then({ type: 'TagMoved', data: { ...at, from: second, digest: first } });
});

test('a tag that points at the manifest already stays, without an event', () => {
  given(
    tagDecider,
    { type: 'TagAssigned', data: { ...at, digest: first } },
    { type: 'TagMoved', data: { ...at, from: first, digest: second } },
  )
    .when({ ...at, digest: second })
    .then();
});
