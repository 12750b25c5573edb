import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, faultOf, json } from './api-client.ts';
import { artifactsOf, listed } from './artifacts.ts';
import { pushImage, send } from './client.ts';

const server = await startServer({ after });
await createProject(server, 'team');
for (const role of ['guest', 'developer', 'maintainer'] as const) {
  await createUser(server, role);
  await addMember(server, 'team', role, role);
}
const tagsOf = (repository: string, reference: string) =>
  `${artifactsOf('team', repository)}/${reference}/tags`;
const create = (repository: string, reference: string, name: unknown, as = 'developer') =>
  ask(server, 'POST', tagsOf(repository, reference), { as, body: { name } });
const namesIn = ({ items }: { items: { name: string }[] }) => items.map(({ name }) => name);

test('the tags of an artifact are listed, the newest first, in pages', async () => {
  const { digest } = await pushImage(server, 'team/app', 'v1');
  await pushImage(server, 'team/app', 'other', 'another image');
  for (const name of ['v2', 'v3']) await pushImage(server, 'team/app', name);
  const all = await listed(server, tagsOf('app', digest));
  assert.deepEqual([namesIn(all), all.total], [['v3', 'v2', 'v1'], 3]);
  const second = await listed(server, `${tagsOf('app', 'v1')}?page=2&page_size=2`);
  assert.deepEqual([namesIn(second), second.total], [['v1'], 3]);
  const found = await listed(server, `${tagsOf('app', 'v1')}?q=name=~2`);
  assert.deepEqual([namesIn(found), found.total], [['v2'], 1]);
  assert.deepEqual(namesIn(await listed(server, `${tagsOf('app', 'v1')}?sort=name`)), ['v1', 'v2', 'v3']);
  const artifact = json(await ask(server, 'GET', `${artifactsOf('team', 'app')}/${digest}`));
  assert.deepEqual(artifact.tags, all.items);
  assert.ok(all.items.every((tag: Record<string, unknown>) => tag.artifact_id === artifact.id));
});

test('a tag keeps its id when it moves, and has the time of that', async () => {
  await pushImage(server, 'team/moving', 'latest');
  const [before] = (await listed(server, tagsOf('moving', 'latest'))).items;
  await pushImage(server, 'team/moving', 'latest', 'another image');
  const [moved] = (await listed(server, tagsOf('moving', 'latest'))).items;
  assert.equal(moved.id, before.id);
  assert.notEqual(moved.artifact_id, before.artifact_id);
  assert.ok(Date.parse(moved.push_time) >= Date.parse(before.push_time));
});

test('an artifact gets a tag that its repository does not have', async () => {
  const { digest } = await pushImage(server, 'team/new', 'v1');
  await pushImage(server, 'team/new', 'taken', 'another image');
  const answer = await create('new', digest, 'v2');
  assert.deepEqual([answer.status, answer.headers.location], [201, undefined]);
  const pulled = await send(server, 'GET', '/v2/team/new/manifests/v2');
  assert.equal(pulled.headers['docker-content-digest'], digest);
  for (const name of ['v1', 'v2', 'taken']) {
    const refused = await create('new', 'v1', name);
    assert.equal(refused.status, 409);
    assert.equal(faultOf(refused).code, 'CONFLICT');
  }
  const taken = await send(server, 'HEAD', '/v2/team/new/manifests/taken');
  assert.notEqual(taken.headers['docker-content-digest'], digest);
  for (const name of ['', '.dot', 'a/b', 'a:b', 'x'.repeat(129), 'ü', null])
    assert.equal((await create('new', 'v1', name)).status, 400, String(name));
  assert.equal((await create('new', 'v1', 7)).status, 422);
  assert.equal((await create('new', 'none', 'v9')).status, 404);
  assert.equal((await create('new', 'v1', 'v9', 'guest')).status, 403);
});

test('of two that create a tag at once one is refused', async () => {
  const one = await pushImage(server, 'team/race', 'one');
  const other = await pushImage(server, 'team/race', 'other', 'another image');
  const answers = await Promise.all([
    create('race', one.digest, 'v1'),
    create('race', other.digest, 'v1'),
    create('race', one.digest, 'v1', 'maintainer'),
  ]);
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409]);
});

test('a tag is taken from the artifact that has it, which stays', async () => {
  const { digest } = await pushImage(server, 'team/gone', 'v1');
  await pushImage(server, 'team/gone', 'other', 'another image');
  const { id } = json(await ask(server, 'GET', `${artifactsOf('team', 'gone')}/v1`));
  const remove = (tag: string, as = 'maintainer') =>
    ask(server, 'DELETE', `${tagsOf('gone', digest)}/${tag}`, { as });
  assert.equal((await remove('v1', 'developer')).status, 403);
  const refused = await remove('other');
  assert.deepEqual(
    [refused.status, faultOf(refused).message],
    [404, `tag other attached to artifact ${id} not found`],
  );
  assert.equal((await remove('%2500')).status, 404);
  assert.equal((await remove('v1')).status, 200);
  assert.equal((await remove('v1')).status, 404);
  assert.equal((await send(server, 'GET', '/v2/team/gone/manifests/v1')).status, 404);
  const untagged = await listed(server, `${artifactsOf('team', 'gone')}?q=tags=nil`);
  assert.deepEqual(
    untagged.items.map((item: { digest: string }) => item.digest),
    [digest],
  );
  assert.deepEqual((await listed(server, tagsOf('gone', digest))).items, []);
});
