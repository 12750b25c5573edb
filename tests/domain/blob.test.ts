import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  condemning,
  damaging,
  mounting,
  removing,
  reprieving,
  storing,
  storingOnce,
} from '../../domain/blob/decider.ts';
import type { BlobEvent } from '../../domain/blob/events.ts';
import { digestFrom } from '../../domain/digest.ts';
import { given } from '../given.ts';

const digest = digestFrom('sha256', 'a'.repeat(64));
const repository = 'library/hello';
const at = { digest, repository };
const upload = { ...at, size: 3, key: 'first' };
const stored: BlobEvent = { type: 'BlobStored', data: { digest, size: 3, key: 'first' } };
const linkedTo = (repository: string): BlobEvent => ({ type: 'BlobLinked', data: { digest, repository } });
const linked = linkedTo(repository);
const condemnedBy = (condemnation: string): BlobEvent => ({
  type: 'BlobCondemned',
  data: { ...at, condemnation },
});
const condemned = condemnedBy('one');
const reprieved: BlobEvent = { type: 'BlobReprieved', data: at };
const unlinked: BlobEvent = { type: 'BlobUnlinked', data: at };
const deleted: BlobEvent = { type: 'BlobDeleted', data: { digest, size: 3, key: 'first' } };
const damaged: BlobEvent = { type: 'BlobDamaged', data: { digest, key: 'first', fault: 'it is empty' } };

test('the first upload of a digest stores the bytes and links them to its repository', () => {
  given(storing(repository)).when(upload).then(stored, linked);
});

test('an upload of stored bytes to another repository only links them, whatever its own key', () => {
  given(storing('library/other'), stored, linked)
    .when({ ...upload, key: 'second', repository: 'library/other' })
    .then(linkedTo('library/other'));
});

test('a second upload of a digest to the same repository changes nothing, and the first key counts', () => {
  const decider = storing(repository);
  const events = [stored, linked, linkedTo('library/other')];
  given(decider, ...events)
    .when({ ...upload, key: 'second' })
    .then();
  assert.equal(events.reduce(decider.evolve, decider.initial).key, 'first');
});

test('folding events leaves the state before them as it was', () => {
  const { initial, evolve } = storing(repository);
  const before = evolve(initial, stored);
  evolve(before, linked);
  assert.equal(before.links.get(repository), null);
  assert.equal(initial.key, null);
});

test('an upload of a blob whose bytes are damaged brings new bytes', () => {
  given(storing(repository), stored, linked, damaged)
    .when({ ...upload, key: 'second' })
    .then({ type: 'BlobStored', data: { digest, size: 3, key: 'second' } });
});

test('a blob is mounted where the other repository holds it', () => {
  const mount = { ...at, repository: 'library/other', from: repository };
  given(mounting(mount), stored, linked).when(mount).then(linkedTo('library/other'));
  given(mounting(mount), stored, linked, linkedTo('library/other')).when(mount).then();
});

for (const [why, events] of Object.entries({
  'it has never had it': [stored, linkedTo('library/third')],
  'it does not have it any more': [stored, linked, linkedTo('library/third'), unlinked],
  'it is condemned there': [stored, linked, condemned],
  'its bytes are damaged': [stored, linked, damaged],
  'nobody has it': [],
})) {
  test(`a blob is not mounted from a repository where ${why}`, () => {
    const mount = { ...at, repository: 'library/other', from: repository };
    given(mounting(mount), ...events)
      .when(mount)
      .then();
  });
}

test('a blob is condemned in one repository, once, and only while that holds it', () => {
  const condemn = { ...at, condemnation: 'one' };
  given(condemning(repository), stored, linked).when(condemn).then(condemned);
  given(condemning(repository), stored, linked, condemned)
    .when({ ...at, condemnation: 'two' })
    .then();
  given(condemning(repository), stored, linkedTo('library/other')).when(condemn).then();
});

test('an upload or a mount reprieves a condemned blob', () => {
  given(storing(repository), stored, linked, condemned)
    .when({ ...upload, key: 'second' })
    .then(reprieved);
  const mount = { ...at, from: 'library/other' };
  given(mounting(mount), stored, linked, linkedTo('library/other'), condemned).when(mount).then(reprieved);
  given(reprieving(repository), stored, linked, condemned).when(at).then(reprieved);
});

test('what is gone cannot be reprieved', () => {
  given(reprieving(repository), stored, linked, condemned, unlinked, deleted).when(at).then();
  given(reprieving(repository)).when(at).then();
});

const removal = { ...at, condemnation: 'one' };

test('the last repository that lets go of a blob takes its bytes with it', () => {
  given(removing(repository), stored, linked, condemned).when(removal).then(unlinked, deleted);
  given(removing(repository), stored, linked, linkedTo('library/other'), condemned)
    .when(removal)
    .then(unlinked);
});

test('a removal takes only what is still under the condemnation that it was decided on', () => {
  for (const since of [[], [condemned, reprieved], [condemned, reprieved, condemnedBy('two')]])
    given(removing(repository), stored, linked, ...since)
      .when(removal)
      .then();
});

test('an upload after the bytes are gone stores its own', () => {
  given(storing(repository), stored, linked, condemned, unlinked, deleted)
    .when({ ...upload, key: 'second' })
    .then({ type: 'BlobStored', data: { digest, size: 3, key: 'second' } }, linked);
});

test('bytes that may have been recorded already count once, whatever became of them', () => {
  const other: BlobEvent = { type: 'BlobStored', data: { digest, size: 3, key: 'second' } };
  given(storingOnce(upload)).when(upload).then(stored, linked);
  given(storingOnce(upload), other, linked, { ...damaged, data: { ...damaged.data, key: 'second' } })
    .when(upload)
    .then(stored);
  for (const since of [
    [linked],
    [linked, damaged],
    [linked, damaged, condemned],
    [linked, damaged, other],
    [linked, linkedTo('library/other'), condemned, unlinked],
    [linked, condemned, unlinked, deleted],
  ])
    given(storingOnce(upload), stored, ...since)
      .when(upload)
      .then();
  given(storingOnce(upload), stored, linked, condemned).when(upload).then(reprieved);
});

test('damage is recorded once, and only of the bytes that count', () => {
  const verdict = { digest, key: 'first', fault: 'it is empty' };
  given(damaging, stored, linked).when(verdict).then(damaged);
  given(damaging, stored, linked, damaged).when(verdict).then();
  given(damaging, stored, linked)
    .when({ ...verdict, key: 'earlier' })
    .then();
});
