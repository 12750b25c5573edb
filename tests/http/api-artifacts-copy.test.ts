import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, faultOf } from './api-client.ts';
import { artifactsOf, indexOf, listed, push, pushWithConfig } from './artifacts.ts';
import { header, mediaTypes, pushBlob, pushImage, send } from './client.ts';

const server = await startServer({ after });
await createProject(server, 'from');
await createProject(server, 'to');
await createUser(server, 'developer');
await createUser(server, 'writer');
await createUser(server, 'reader');
await addMember(server, 'from', 'developer', 'developer');
await addMember(server, 'to', 'developer', 'developer');
await addMember(server, 'to', 'writer', 'developer');
await addMember(server, 'from', 'reader', 'guest');

const copy = (to: string, from: string, as = 'developer') =>
  ask(server, 'POST', `${artifactsOf('to', to)}?from=${encodeURIComponent(from)}`, { as });
const tagsIn = async (repository: string) =>
  JSON.parse((await send(server, 'GET', `/v2/${repository}/tags/list`)).body.toString()).tags;

test('an artifact is copied with its children, all its tags and its accessories, and can be pulled', async () => {
  const amd64 = await pushWithConfig(server, 'from/app', undefined, { architecture: 'amd64' });
  const arm64 = await pushWithConfig(server, 'from/app', 'arm', { architecture: 'arm64' });
  const manifest = indexOf([amd64.descriptor, arm64.descriptor]);
  const index = await push(server, 'from/app', '1.0', manifest, mediaTypes.index);
  await push(server, 'from/app', 'latest', manifest, mediaTypes.index);
  await pushWithConfig(server, 'from/app', 'other', { author: 'not copied' });
  const layer = await pushBlob(server, 'from/app', 'signed');
  const signature = await pushWithConfig(
    server,
    'from/app',
    `sha256-${index.digest.slice('sha256:'.length)}.sig`,
    {},
    { layers: [{ ...layer, mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json' }] },
  );
  await pushWithConfig(server, 'from/app', undefined, { a: 1 }, { subject: amd64.descriptor });

  const answer = await copy('new/app', 'from/app:1.0');

  assert.equal(answer.status, 201, answer.body.toString());
  assert.equal(header(answer, 'location'), `/api/v2.0${artifactsOf('to', 'new/app')}/1.0`);
  const { items, total } = await listed(server, `${artifactsOf('to', 'new/app')}?with_accessory=true`);
  assert.equal(total, 1);
  const [{ digest, tags, references, accessories, size }] = items;
  assert.equal(digest, index.digest);
  assert.equal(size, amd64.total + arm64.total);
  assert.deepEqual(tags.map(({ name }: { name: string }) => name).toSorted(), ['1.0', 'latest']);
  assert.deepEqual(
    references.map((each: Record<string, unknown>) => each.child_digest),
    [amd64.digest, arm64.digest],
  );
  assert.deepEqual(
    accessories.map((each: Record<string, unknown>) => [each.digest, each.type]),
    [[signature.digest, 'signature.cosign']],
  );
  assert.ok(
    !(await tagsIn('to/new/app')).includes('arm'),
    'the tags of children are not those of the artifact',
  );
  assert.equal((await send(server, 'GET', `/v2/to/new/app/blobs/${layer.digest}`)).status, 200);
  const child = await send(server, 'GET', `/v2/to/new/app/manifests/${amd64.digest}`);
  const { config } = JSON.parse(child.body.toString());
  assert.equal((await send(server, 'GET', `/v2/to/new/app/blobs/${config.digest}`)).status, 200);
  const referrers = await send(server, 'GET', `/v2/to/new/app/referrers/${amd64.digest}`);
  assert.equal(JSON.parse(referrers.body.toString()).manifests.length, 1);
});

test('a copy by digest takes all tags along, and can be made again', async () => {
  const { digest } = await pushImage(server, 'from/tagged', 'a');
  await pushImage(server, 'from/tagged', 'b');
  await pushImage(server, 'to/tagged', 'b', 'what the tag points at until then');
  for (let n = 0; n < 2; n += 1) {
    const answer = await copy('tagged', `from/tagged@${digest}`);
    assert.equal(answer.status, 201, answer.body.toString());
    assert.equal(header(answer, 'location'), `/api/v2.0${artifactsOf('to', 'tagged')}/${digest}`);
  }
  const { items } = await listed(server, `${artifactsOf('to', 'tagged')}?q=tags=*`);
  assert.deepEqual(
    items.map((item: { digest: string; tags: { name: string }[] }) => [
      item.digest,
      item.tags.map(({ name }) => name).toSorted(),
    ]),
    [[digest, ['a', 'b']]],
  );
  assert.equal((await copy('tagged', `to/tagged@${digest}`)).status, 201);
});

test('what cannot be copied is refused, and nothing is made of it', async () => {
  const image = await pushWithConfig(server, 'from/refused', 'a', { author: 'x' });
  const { digest } = await pushWithConfig(server, 'from/refused', 'sig', {}, { subject: image.descriptor });
  const accessory = await copy('refused', `from/refused@${digest}`);
  assert.deepEqual([accessory.status, faultOf(accessory).code], [403, 'DENIED']);
  for (const [from, status] of [
    ['from/refused:none', 404],
    ['from/none:a', 404],
    [`from/refused@sha256:${'0'.repeat(64)}`, 404],
    ['from/refused', 400],
    ['from/refused:', 400],
    ['from/refused@sha256:1', 400],
    ['refused:a', 400],
    ['from/UPPER:a', 400],
    [`from/refused:a@${digest}`, 400],
    ['from/a\u0000b:c', 400],
  ] as const)
    assert.equal((await copy('refused', from)).status, status, from);
  assert.equal((await ask(server, 'POST', artifactsOf('to', 'refused'))).status, 422);
  assert.equal((await copy('UPPER', 'from/refused:a')).status, 400);
  assert.equal((await ask(server, 'GET', artifactsOf('to', 'refused'))).status, 404);
});

test('who copies may read the source and create in the destination', async () => {
  await pushImage(server, 'from/secret', 'a');
  assert.equal((await copy('secret', 'from/secret:a', 'writer')).status, 403);
  assert.equal((await copy('secret', 'from/secret:a', 'reader')).status, 403);
  assert.equal((await copy('secret', 'from/secret:a', '')).status, 401);
  assert.equal((await copy('secret', 'nowhere/secret:a', 'writer')).status, 403);
  assert.equal((await copy('secret', 'from/secret:a')).status, 201);
});
