import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deletingRepository, describing } from '../../domain/repository/decider.ts';
import { escapedDescription } from '../../domain/repository/description.ts';
import type { RepositoryEvent } from '../../domain/repository/events.ts';
import { given } from '../given.ts';

const at = { repository: 'library/hello', repositoryId: 7 };
const described = (description: string, repositoryId = 7): RepositoryEvent => ({
  type: 'RepositoryDescribed',
  data: { ...at, repositoryId, description },
});
const deleted: RepositoryEvent = { type: 'RepositoryDeleted', data: at };

test('a repository gets another description', () => {
  given(describing)
    .when({ ...at, description: 'a' })
    .then(described('a'));
  given(describing, described('a'))
    .when({ ...at, description: 'b' })
    .then(described('b'));
  given(describing, described('a'))
    .when({ ...at, description: '' })
    .then(described(''));
});

test('the description that it has is none to record, and a new repository has none', () => {
  given(describing)
    .when({ ...at, description: '' })
    .then();
  given(describing, described('a'))
    .when({ ...at, description: 'a' })
    .then();
  given(describing, described('a'), deleted)
    .when({ ...at, repositoryId: 9, description: '' })
    .then();
});

test('the next repository of a name does not have the description of the one before', () => {
  given(describing, described('a'))
    .when({ ...at, repositoryId: 9, description: 'a' })
    .then(described('a', 9));
});

test('a deletion is recorded each time, since only the manifests tell whether a repository is there', () => {
  given(deletingRepository).when(at).then(deleted);
  given(deletingRepository, deleted).when(at).then(deleted);
});

test('the special characters of HTML are escaped, once', () => {
  assert.equal(escapedDescription(`<a href="x">&amp;'`), '&lt;a href=&#34;x&#34;&gt;&amp;amp;&#39;');
});
