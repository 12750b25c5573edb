import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { ask, createdId, createProject, faultOf, json } from './api-client.ts';
import { artifactsOf, indexOf, push, pushWithConfig } from './artifacts.ts';
import {
  digestOf,
  imageOf,
  mediaTypes,
  pushBlob,
  pushImage,
  putManifest,
  refusalOf,
  send,
} from './client.ts';

const server = await startServer({ after });
await createProject(server, 'team');
await createProject(server, 'other');
const rules = '/projects/team/immutabletagrules';

const ruleFor = (tags: string, repositories: string, more: object = {}) => ({
  tag_selectors: [{ decoration: 'matches', pattern: tags }],
  scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: repositories }] },
  ...more,
});
const protect = async (tags: string, repositories: string, more: object = {}): Promise<number> =>
  createdId(await ask(server, 'POST', rules, { body: ruleFor(tags, repositories, more) }));

const pushMarked = async (repository: string, tag: string, mark: string, as?: string) => {
  const blob = await pushBlob(server, repository, '{}');
  return send(server, 'PUT', `/v2/${repository}/manifests/${tag}`, {
    headers: { 'content-type': mediaTypes.image },
    body: imageOf(blob, [blob], { annotations: { mark } }),
    ...(as !== undefined && { as }),
  });
};
const digestAt = async (repository: string, tag: string): Promise<unknown> =>
  (await send(server, 'HEAD', `/v2/${repository}/manifests/${tag}`)).headers['docker-content-digest'];
/** The tags of a repository of the team as rows, and whether they are shown as immutable. */
const tagsIn = async (repository: string): Promise<unknown> =>
  json(await ask(server, 'GET', `/projects/team/repositories/${repository}/tags`)).map(
    ({ tag, immutable }: Record<string, unknown>) => [tag, immutable],
  );
const remove = (path: string) => send(server, 'DELETE', `/v2/${path}`);

test('an immutable tag keeps its first manifest, and the second push is refused as Harbor refuses it', async () => {
  await protect('1.*', 'app');
  const { digest } = await pushImage(server, 'team/app', '1.0');
  const answer = await pushMarked('team/app', '1.0', '2');
  assert.deepEqual(refusalOf(answer), [412, 'PRECONDITION']);
  assert.equal(
    faultOf(answer).message,
    "Failed to process request due to 'app:1.0' configured as immutable.",
  );
  assert.equal(await digestAt('team/app', '1.0'), digest);
  const listed = json(await ask(server, 'GET', artifactsOf('team', 'app')));
  assert.equal(listed.length, 1, 'nothing is left of what was refused');
});

test('the same manifest is pushed to an immutable tag again', async () => {
  assert.equal((await pushMarked('team/app', '1.0', '1')).status, 201);
});

test('a tag that no rule is for moves, in this repository and in others', async () => {
  for (const [repository, tag] of [
    ['team/app', 'latest'],
    ['team/tool', '1.0'],
    ['other/app', '1.0'],
  ] as const) {
    await pushImage(server, repository, tag);
    assert.equal((await pushMarked(repository, tag, '2')).status, 201, `${repository}:${tag}`);
  }
});

test('a push of several tags sets none where one of them is immutable', async () => {
  await protect('1.*', 'several');
  await pushImage(server, 'team/several', '1.0');
  const blob = await pushBlob(server, 'team/several', '{}');
  const manifest = imageOf(blob, [blob], { annotations: { mark: '2' } });
  const path = `${digestOf(manifest)}?tag=1.1&tag=1.0&tag=1.2`;
  assert.equal((await putManifest(server, 'team/several', path, manifest)).status, 412);
  assert.deepEqual(await tagsIn('several'), [['1.0', true]]);
});

test('an immutable tag is not deleted, and neither are its artifact and its repository', async () => {
  await protect('v*', 'kept');
  const { digest } = await pushImage(server, 'team/kept', 'v1');
  await pushImage(server, 'team/kept', 'loose');
  const other = await pushImage(server, 'team/kept', 'free', '2');

  const kept = artifactsOf('team', 'kept');
  for (const path of ['team/kept/manifests/v1', `team/kept/manifests/${digest}`]) {
    const answer = await remove(path);
    assert.deepEqual(refusalOf(answer), [412, 'PRECONDITION'], path);
    assert.match(faultOf(answer).message, /'kept:v1' configured as immutable/);
  }
  for (const path of [`${kept}/v1/tags/v1`, `${kept}/v1`, '/projects/team/repositories/kept']) {
    const answer = await ask(server, 'DELETE', path);
    assert.deepEqual(refusalOf(answer), [412, 'PRECONDITION'], path);
    assert.equal(faultOf(answer).message, 'the tag v1 configured as immutable, cannot be deleted');
  }
  for (const tag of ['v1', 'loose']) assert.equal(await digestAt('team/kept', tag), digest);
  assert.equal(await digestAt('team/kept', 'free'), other.digest, 'nothing of the repository is gone');

  assert.equal((await ask(server, 'DELETE', `${kept}/v1/tags/loose`)).status, 200);
  assert.equal((await ask(server, 'DELETE', `${kept}/free`)).status, 200);
});

test('an index with an immutable tag is not deleted, nor anything below it', async () => {
  await protect('v*', 'whole');
  const child = await pushWithConfig(server, 'team/whole', undefined, { os: 'linux' });
  const index = await push(server, 'team/whole', 'v1', indexOf([child.descriptor]), mediaTypes.index);
  assert.equal((await ask(server, 'DELETE', `${artifactsOf('team', 'whole')}/v1`)).status, 412);
  for (const digest of [child.digest, index.digest])
    assert.equal((await send(server, 'HEAD', `/v2/team/whole/manifests/${digest}`)).status, 200);
});

test('an artifact stays whose signature has an immutable tag, and so does the signature', async () => {
  await protect('signed-*', 'signed');
  const subject = await pushWithConfig(server, 'team/signed', 'latest', { os: 'linux' });
  const blob = await pushBlob(server, 'team/signed', '{}');
  const signature = imageOf(blob, [blob], { subject: subject.descriptor });
  await push(server, 'team/signed', 'signed-1', signature);
  const answer = await ask(server, 'DELETE', `${artifactsOf('team', 'signed')}/latest`);
  assert.equal(faultOf(answer).message, 'the tag signed-1 configured as immutable, cannot be deleted');
  assert.equal(await digestAt('team/signed', 'signed-1'), digestOf(signature));
  assert.equal(await digestAt('team/signed', 'latest'), subject.digest);
});

test('an index goes with its parts, and what signs a part stays where its tag is immutable', async () => {
  await protect('signed-*', 'parts');
  const child = await pushWithConfig(server, 'team/parts', undefined, { os: 'linux' });
  const blob = await pushBlob(server, 'team/parts', '{}');
  const signature = imageOf(blob, [blob], { subject: child.descriptor });
  await push(server, 'team/parts', 'signed-1', signature);
  await push(server, 'team/parts', 'latest', indexOf([child.descriptor]), mediaTypes.index);
  assert.equal((await ask(server, 'DELETE', `${artifactsOf('team', 'parts')}/latest`)).status, 200);
  assert.equal((await send(server, 'HEAD', `/v2/team/parts/manifests/${child.digest}`)).status, 404);
  assert.equal(await digestAt('team/parts', 'signed-1'), digestOf(signature));
});

test('clients sign what a rule for every tag is for, again and again', async () => {
  await protect('**', 'cosigned');
  const { digest } = await pushImage(server, 'team/cosigned', 'v1');
  const names = ['.sig', '.att', '.sbom', ''].map((suffix) => digest.replace(':', '-') + suffix);
  for (const tag of names)
    for (const mark of ['2', '3']) assert.equal((await pushMarked('team/cosigned', tag, mark)).status, 201);
  assert.equal((await pushMarked('team/cosigned', 'v1', '2')).status, 412);

  await protect('sha256-*', 'cosigned', { accessory_tags: true });
  for (const tag of names) assert.equal((await pushMarked('team/cosigned', tag, '4')).status, 412, tag);
});

test('a copy is refused where it would move an immutable tag', async () => {
  await protect('v*', 'copy');
  await pushImage(server, 'other/source', 'v1', '1');
  const first = await pushImage(server, 'team/copy', 'v1', '2');
  const copy = () => ask(server, 'POST', `${artifactsOf('team', 'copy')}?from=other/source:v1`);
  const answer = await copy();
  assert.deepEqual(refusalOf(answer), [412, 'PRECONDITION']);
  assert.equal(faultOf(answer).message, 'the tag v1 configured as immutable, cannot be updated');
  assert.equal(await digestAt('team/copy', 'v1'), first.digest);
  assert.equal(json(await ask(server, 'GET', artifactsOf('team', 'copy'))).length, 1);
});

test('a tag that a repository does not have is created, also where a rule is for it', async () => {
  await protect('v*', 'named');
  await pushImage(server, 'team/named', 'v1', '1');
  await pushImage(server, 'team/named', 'v2', '2');
  const at = (tag: string) => `${artifactsOf('team', 'named')}/${tag}/tags`;
  assert.equal((await ask(server, 'POST', at('v1'), { body: { name: 'v3' } })).status, 201);
  assert.equal((await ask(server, 'POST', at('v1'), { body: { name: 'v2' } })).status, 409);
  assert.equal((await ask(server, 'DELETE', `${at('v1')}/v3`)).status, 412);
});

test('a rule may forbid only to move a tag, or only to delete it', async () => {
  await protect('v*', 'moves', { forbids: ['move'] });
  await pushImage(server, 'team/moves', 'v1', '1');
  assert.equal((await pushMarked('team/moves', 'v1', '2')).status, 412);
  assert.equal((await remove('team/moves/manifests/v1')).status, 202);

  await protect('v*', 'stays', { forbids: ['delete'] });
  await pushImage(server, 'team/stays', 'v1', '1');
  assert.equal((await pushMarked('team/stays', 'v1', '2')).status, 201);
  assert.equal((await remove('team/stays/manifests/v1')).status, 412);
  assert.equal((await ask(server, 'DELETE', '/projects/team/repositories/stays')).status, 412);
  assert.deepEqual(await tagsIn('stays'), [['v1', true]]);
});

test('which tags are immutable is shown to who asks for it, and always in the rows of tags', async () => {
  await protect('v*', 'shown');
  await pushImage(server, 'team/shown', 'latest');
  await pushImage(server, 'team/shown', 'v1');
  const artifacts = artifactsOf('team', 'shown');
  const flagsOf = (tags: readonly { name: string; immutable: boolean }[]) =>
    Object.fromEntries(tags.map(({ name, immutable }) => [name, immutable]));
  for (const [query, immutable] of [
    ['', false],
    ['?with_immutable_status=false', false],
    ['?with_immutable_status=true', true],
  ] as const) {
    const flags = { latest: false, v1: immutable };
    const [listed] = json(await ask(server, 'GET', artifacts + query));
    assert.deepEqual(flagsOf(listed.tags), flags, `artifacts${query}`);
    const { tags } = json(await ask(server, 'GET', `${artifacts}/v1${query}`));
    assert.deepEqual(flagsOf(tags), flags, `an artifact${query}`);
    const own = json(await ask(server, 'GET', `${artifacts}/v1/tags${query}`));
    assert.deepEqual(flagsOf(own), flags, `its tags${query}`);
  }
  assert.deepEqual(await tagsIn('shown'), [
    ['latest', false],
    ['v1', true],
  ]);
});

test('a rule that is switched off or deleted keeps nothing any more', async () => {
  const id = await protect('v*', 'freed');
  await pushImage(server, 'team/freed', 'v1', '1');
  const set = (disabled: boolean) =>
    ask(server, 'PUT', `${rules}/${id}`, { body: { id, disabled, ...ruleFor('v*', 'freed') } });
  assert.equal((await set(true)).status, 200);
  assert.equal((await pushMarked('team/freed', 'v1', '2')).status, 201);
  assert.equal((await set(false)).status, 200);
  assert.equal((await pushMarked('team/freed', 'v1', '3')).status, 412);
  assert.equal((await ask(server, 'DELETE', `${rules}/${id}`)).status, 200);
  assert.equal((await pushMarked('team/freed', 'v1', '3')).status, 201);
});

test('a robot and an administrator of the system are refused as everybody is', async () => {
  await protect('v*', 'robots');
  await pushImage(server, 'team/robots', 'v1', '1');
  const access = ['push', 'pull', 'delete'].map((action) => ({ resource: 'repository', action }));
  const body = {
    ...{ name: 'builder', level: 'project', duration: -1 },
    permissions: [{ kind: 'project', namespace: 'team', access }],
  };
  const { name, secret } = json(await ask(server, 'POST', '/robots', { body }));
  assert.equal((await pushMarked('team/robots', 'v1', '1', `${name}:${secret}`)).status, 201);
  assert.equal((await pushMarked('team/robots', 'v1', '2', `${name}:${secret}`)).status, 412);
});

test('of many who push different manifests to one new immutable tag, one succeeds', async () => {
  await protect('v*', 'raced');
  await pushBlob(server, 'team/raced', '{}');
  const marks = Array.from({ length: 8 }, (_, index) => String(index));
  const answers = await Promise.all(marks.map((mark) => pushMarked('team/raced', 'v1', mark)));
  const statuses = answers.map(({ status }) => status);
  assert.deepEqual(statuses.toSorted(), [201, ...marks.slice(1).map(() => 412)]);
  const won = answers.find(({ status }) => status === 201);
  assert.equal(await digestAt('team/raced', 'v1'), won?.headers['docker-content-digest']);
});

test('a rule counts for every push that begins after it was made, whatever is under way', async () => {
  await pushImage(server, 'team/making', 'v1', 'first');
  let isMade = false;
  const late: number[] = [];
  const pushing = Array.from({ length: 4 }, async (_, lane) => {
    for (let turn = 0; turn < 12; turn += 1) {
      const isAfter = isMade;
      const { status } = await pushMarked('team/making', 'v1', `${lane}-${turn}`);
      if (isAfter) late.push(status);
      else assert.ok([201, 412].includes(status), String(status));
    }
  });
  await protect('v*', 'making');
  isMade = true;
  await Promise.all(pushing);
  assert.ok(late.length > 0, 'pushes came after the rule');
  assert.deepEqual([...new Set(late)], [412]);
});

test('a project is deleted with its rules, and the next of the name begins without', async () => {
  const create = () => createProject(server, 'passing');
  await create();
  const passing = '/projects/passing/immutabletagrules';
  assert.equal((await ask(server, 'POST', passing, { body: ruleFor('**', '**') })).status, 201);
  await pushImage(server, 'passing/app', 'v1', '1');
  assert.equal((await ask(server, 'DELETE', '/projects/passing')).status, 412);
  const [{ id }] = json(await ask(server, 'GET', passing));
  assert.equal((await ask(server, 'DELETE', `${passing}/${id}`)).status, 200);
  assert.equal((await ask(server, 'DELETE', '/projects/passing/repositories/app')).status, 200);
  assert.equal((await ask(server, 'POST', passing, { body: ruleFor('**', '**') })).status, 201);
  assert.equal((await ask(server, 'DELETE', '/projects/passing')).status, 200);

  await create();
  assert.deepEqual(json(await ask(server, 'GET', passing)), []);
  for (const mark of ['1', '2']) assert.equal((await pushMarked('passing/app', 'v1', mark)).status, 201);
});
