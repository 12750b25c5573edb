import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { pushImage, refusalOf } from './client.ts';

const server = await startServer({ after });
await createUser(server, 'dev');
await createUser(server, 'stranger');
const hiddenId = await createProject(server, 'hidden');
await createProject(server, 'open', true);
await addMember(server, 'hidden', 'dev', 'guest');
await pushImage(server, 'hidden/deep/app', '1.0');
await pushImage(server, 'hidden/deep/app', '2.0', '2');
await pushImage(server, 'open/app', '1.0');

async function find(q: string, as: string) {
  const answer = await ask(server, 'GET', `/search?q=${encodeURIComponent(q)}`, { as });
  assert.equal(answer.status, 200, answer.body.toString());
  return json(answer);
}
async function namesOf(q: string, as: string) {
  const { project, repository } = await find(q, as);
  return [
    project.map(({ name }: { name: string }) => name),
    repository.map(({ repository_name }: { repository_name: string }) => repository_name),
  ];
}

test('a search finds projects and repositories by any part of their full names', async () => {
  assert.deepEqual(await namesOf('dd', 'dev'), [['hidden'], ['hidden/deep/app']]);
  assert.deepEqual(await namesOf('en/de', 'dev'), [[], ['hidden/deep/app']]);
  assert.deepEqual(await namesOf('app', 'dev'), [[], ['open/app', 'hidden/deep/app']]);
  assert.deepEqual(await namesOf('%', 'dev'), [[], []]);
  assert.deepEqual(await namesOf('a'.repeat(1000), 'dev'), [[], []]);
});

test('what is found is shown as Harbor shows it, with the roles of who asks', async () => {
  const { project, repository } = await find('hidden', 'dev');
  assert.deepEqual(repository, [
    {
      project_id: hiddenId,
      project_name: 'hidden',
      project_public: false,
      repository_name: 'hidden/deep/app',
      pull_count: 0,
      artifact_count: 2,
    },
  ]);
  const [{ project_id, repo_count, current_user_role_ids, metadata }] = project;
  assert.deepEqual([project_id, repo_count, current_user_role_ids], [hiddenId, 1, [3]]);
  assert.equal(metadata.public, 'false');
});

test('who is no member finds what is public, and an administrator everything', async () => {
  for (const as of ['stranger', ''])
    assert.deepEqual(await namesOf('', as), [['open', 'library'], ['open/app']]);
  const [projects, repositories] = await namesOf('', `admin:${server.password}`);
  assert.deepEqual([projects.length, repositories.length], [3, 2]);
});

test('the case of letters counts for projects alone', async () => {
  assert.deepEqual(await namesOf('OPEN', 'dev'), [[], ['open/app']]);
});

test('a search without a text is refused, and an empty one finds everything', async () => {
  assert.deepEqual(refusalOf(await ask(server, 'GET', '/search')), [422, 'UNPROCESSABLE_ENTITY']);
  assert.equal((await find('', 'dev')).project.length, 3);
});
