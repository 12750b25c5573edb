import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, faultOf, json } from './api-client.ts';
import { artifactsOf, indexOf, listed, push } from './artifacts.ts';
import { header, mediaTypes, pushImage, send } from './client.ts';

const server = await startServer({ after });
const team = await createProject(server, 'team');
await createProject(server, 'open', true);
await createUser(server, 'guest');
await createUser(server, 'stranger');
await createUser(server, 'maintainer');
await addMember(server, 'team', 'guest', 'guest');
await addMember(server, 'team', 'maintainer', 'maintainer');
const repository = (name: string) => `/projects/team/repositories/${name}`;
const namesIn = (answer: Parameters<typeof json>[0]) =>
  json(answer).map(({ name }: { name: string }) => name);

test('a repository is there from its first push on, with what it holds counted', async () => {
  const before = Date.now();
  await pushImage(server, 'team/app', '1.0');
  await pushImage(server, 'team/app', '1.1', 'another');
  await pushImage(server, 'team/app', 'latest', 'another');

  const { id, creation_time, update_time, ...shown } = json(await ask(server, 'GET', repository('app')));

  assert.deepEqual(shown, {
    ...{ project_id: team, name: 'team/app', description: '', artifact_count: 2, pull_count: 0 },
  });
  assert.ok(Number.isSafeInteger(id) && id > 0);
  assert.ok(Date.parse(creation_time) >= before - 1000);
  assert.ok(Date.parse(update_time) >= Date.parse(creation_time));
  const project = json(await ask(server, 'GET', '/projects/team'));
  assert.equal(project.repo_count, 1);
});

test('repositories are listed by project, the newest first, in pages', async () => {
  await createProject(server, 'many');
  for (const name of ['a', 'b', 'c/d']) await pushImage(server, `many/${name}`, '1');
  const path = '/projects/many/repositories';
  const first = await ask(server, 'GET', `${path}?page_size=2`);
  assert.deepEqual(namesIn(first), ['many/c/d', 'many/b']);
  assert.equal(header(first, 'x-total-count'), '3');
  assert.match(header(first, 'link'), /rel="next"/);
  assert.deepEqual(namesIn(await ask(server, 'GET', `${path}?page_size=2&page=2`)), ['many/a']);
  assert.deepEqual(namesIn(await ask(server, 'GET', `${path}?page=0&page_size=0`)).length, 3);
  assert.deepEqual(namesIn(await ask(server, 'GET', `${path}?sort=name`))[0], 'many/a');
  const found = await ask(server, 'GET', `${path}?q=name=~C/`);
  assert.deepEqual([namesIn(found), header(found, 'x-total-count')], [['many/c/d'], '1']);
  assert.deepEqual(namesIn(await ask(server, 'GET', `${path}?q=id=9007199254740993`)), []);
});

test('the path has the name with its slashes encoded once or twice', async () => {
  await pushImage(server, 'team/deep/er', '1.0');
  for (const name of ['deep%2Fer', 'deep%252Fer', 'deep%2fer'])
    assert.equal(json(await ask(server, 'GET', repository(name))).name, 'team/deep/er');
});

test('what can be no repository is unknown, however it is written', async () => {
  for (const name of ['none', 'UPPER', 'a%252Fb%2500', '%25F0', '..', 'a%2F%2Fb', '%ED%A0%80']) {
    const answer = await ask(server, 'GET', repository(name));
    assert.ok([400, 404].includes(answer.status), `${name}: ${answer.status}`);
  }
  const answer = await ask(server, 'GET', repository('none'));
  assert.deepEqual(faultOf(answer), { code: 'NOT_FOUND', message: 'repository team/none not found' });
});

test('all repositories are those of the projects that one may see', async () => {
  await pushImage(server, 'open/seen', '1');
  const seen = async (as: string) => namesIn(await ask(server, 'GET', '/repositories?page_size=0', { as }));
  assert.deepEqual(await seen(''), ['open/seen']);
  assert.deepEqual(await seen('stranger'), ['open/seen']);
  assert.ok((await seen('guest')).includes('team/app'));
  const all = await ask(server, 'GET', '/repositories?page_size=1');
  assert.ok(Number(header(all, 'x-total-count')) >= 6);
});

test('who may not read a repository is refused before it is said whether it is there', async () => {
  for (const name of ['app', 'none']) {
    assert.equal((await ask(server, 'GET', repository(name), { as: '' })).status, 401);
    assert.equal((await ask(server, 'GET', repository(name), { as: 'stranger' })).status, 403);
    const body = { description: '' };
    assert.equal((await ask(server, 'PUT', repository(name), { as: 'guest', body })).status, 403);
    assert.equal((await ask(server, 'DELETE', repository(name), { as: 'guest' })).status, 403);
  }
  // A public project grants the list, and not the repository.
  assert.equal((await ask(server, 'GET', '/projects/open/repositories', { as: '' })).status, 200);
  assert.equal((await ask(server, 'GET', '/projects/open/repositories/seen', { as: '' })).status, 401);
});

test('a description is kept with the special characters of HTML escaped', async () => {
  await pushImage(server, 'team/described', '1.0');
  const path = repository('described');
  const put = (description: unknown) => ask(server, 'PUT', path, { body: { description }, as: 'maintainer' });
  assert.equal((await put(`<b>"x" & 'y'</b>`)).status, 200);
  const shown = json(await ask(server, 'GET', path));
  assert.equal(shown.description, '&lt;b&gt;&#34;x&#34; &amp; &#39;y&#39;&lt;/b&gt;');
  assert.equal((await put('')).status, 200);
  assert.equal(json(await ask(server, 'GET', path)).description, '');
  for (const [wrong, status] of [
    ['a\0b', 400],
    ['\ud800', 400],
    ['x'.repeat(20_000), 400],
    [7, 422],
  ] as const)
    assert.equal((await put(wrong)).status, status);
  assert.equal((await ask(server, 'PUT', repository('none'), { body: {} })).status, 404);
});

test('a deleted repository is gone with all that it held, and the next push makes a new one', async () => {
  const { digest, manifest } = await pushImage(server, 'team/short', '1.0');
  const image = { mediaType: mediaTypes.image, digest, size: manifest.length };
  const index = await push(server, 'team/short', 'multi', indexOf([image]), mediaTypes.index);
  const outer = indexOf([{ ...index.descriptor }]);
  await push(server, 'team/short', 'outer', outer, mediaTypes.index);
  await ask(server, 'PUT', repository('short'), { body: { description: 'first' } });
  const { id } = json(await ask(server, 'GET', repository('short')));

  assert.equal((await ask(server, 'DELETE', repository('short'), { as: 'maintainer' })).status, 200);

  assert.equal((await ask(server, 'GET', repository('short'))).status, 404);
  assert.equal((await ask(server, 'DELETE', repository('short'))).status, 404);
  assert.ok(!namesIn(await ask(server, 'GET', '/projects/team/repositories')).includes('team/short'));
  assert.equal((await send(server, 'GET', `/v2/team/short/manifests/${digest}`)).status, 404);
  assert.equal((await send(server, 'GET', '/v2/team/short/tags/list')).status, 404);

  await pushImage(server, 'team/short', '2.0');
  const anew = json(await ask(server, 'GET', repository('short')));
  assert.notEqual(anew.id, id);
  assert.equal(anew.description, '');
  assert.equal((await listed(server, artifactsOf('team', 'short'))).total, 1);
});

test('a deletion that was cut short goes on when it is asked for again', async () => {
  for (let n = 0; n < 40; n += 1) await pushImage(server, 'team/large', `v${n}`, `mark ${n}`);
  const cut = ask(server, 'DELETE', repository('large')).catch(() => undefined);
  const count = async () => json(await ask(server, 'GET', repository('large'))).artifact_count;
  while ((await count()) > 35) await new Promise((resolve) => setTimeout(resolve, 5));
  await server.stop('SIGKILL');
  await cut;
  await server.start();

  const left = await listed(server, `${artifactsOf('team', 'large')}?page_size=100`);
  assert.ok(left.total > 0 && left.total < 40, `${left.total} are left`);
  assert.equal(await count(), left.total);
  assert.equal((await ask(server, 'DELETE', repository('large'))).status, 200);
  assert.equal((await ask(server, 'GET', repository('large'))).status, 404);
  assert.equal((await send(server, 'GET', '/v2/team/large/tags/list')).status, 404);
});
