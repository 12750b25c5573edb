import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobDecider } from '../../domain/blob/decider.ts';
import type { BlobEvent } from '../../domain/blob/events.ts';
import { digestFrom } from '../../domain/digest.ts';
import { given } from '../given.ts';

const digest = digestFrom('sha256', 'a'.repeat(64));
const upload = { digest, size: 3, key: 'first', repository: 'library/hello' };
const stored: BlobEvent = { type: 'BlobStored', data: { digest, size: 3, key: 'first' } };
const linkedTo = (repository: string): BlobEvent => ({ type: 'BlobLinked', data: { digest, repository } });

test('the first upload of a digest stores the bytes and links them to its repository', () => {
  given(blobDecider).when(upload).then(stored, linkedTo('library/hello'));
});

test('an upload of stored bytes to another repository only links them, whatever its own key', () => {
  given(blobDecider, stored, linkedTo('library/hello'))
    .when({ ...upload, key: 'second', repository: 'library/other' })
    .then(linkedTo('library/other'));
});

test('a second upload of a digest to the same repository changes nothing', () => {
  given(blobDecider, stored, linkedTo('library/hello'), linkedTo('library/other'))
    .when({ ...upload, key: 'second' })
    .then();
});

test('the first key is the one that counts', () => {
  const state = [stored, linkedTo('library/hello')].reduce(blobDecider.evolve, blobDecider.initial);
  assert.equal(state.key, 'first');
  assert.deepEqual([...state.repositories], ['library/hello']);
});

test('folding events leaves the state before them as it was', () => {
  const before = blobDecider.evolve(blobDecider.initial, linkedTo('library/hello'));
  blobDecider.evolve(before, linkedTo('library/other'));
  assert.deepEqual([...before.repositories], ['library/hello']);
  assert.deepEqual([...blobDecider.initial.repositories], []);
});
