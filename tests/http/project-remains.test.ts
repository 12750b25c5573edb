import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { projectClearer } from '../../commands/clear-project.ts';
import { decision } from '../../commands/record.ts';
import { pushing } from '../../domain/artifact/decider.ts';
import { artifactStream } from '../../domain/artifact/events.ts';
import { parseManifest } from '../../domain/artifact/manifest.ts';
import { storing } from '../../domain/blob/decider.ts';
import { blobStream } from '../../domain/blob/events.ts';
import type { Digest } from '../../domain/digest.ts';
import { assigning } from '../../domain/tag/decider.ts';
import { tagStream } from '../../domain/tag/events.ts';
import { startServer } from '../server.ts';
import { ask, createProject, createUser, json, password } from './api-client.ts';
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
import { openCollector } from './collector.ts';
import { peopleOf } from './people.ts';
import { eventsOf } from './server-log.ts';

const server = await startServer({ after });
const collector = await openCollector({ after }, server);
const { record, metadata } = await peopleOf({ after }, server);
await createUser(server, 'alice');
const as = `alice:${password}`;

const ownedByAlice = async (name: string) =>
  assert.equal(
    (await ask(server, 'POST', '/projects', { as: 'alice', body: { project_name: name } })).status,
    201,
  );
const isStored = async (digest: string) =>
  (await collector.keys()).some((key) => key.includes(digest.slice('sha256:'.length)));
const get = async (path: string) => (await send(server, 'GET', path, { as })).status;

/** Takes the manifests out of a project and then deletes it, as its owner must. */
async function emptyAndDelete(name: string, manifests: readonly string[]) {
  for (const digest of manifests)
    assert.equal((await send(server, 'DELETE', `/v2/${name}/app/manifests/${digest}`)).status, 202);
  assert.deepEqual(json(await ask(server, 'GET', `/projects/${name}/_deletable`)), {
    deletable: true,
    message: '',
  });
  assert.equal((await ask(server, 'DELETE', `/projects/${name}`)).status, 200);
}

test('a new project has nothing of what a deleted one of its name held', async () => {
  await createProject(server, 'taken');
  const secret = await pushBlob(server, 'taken/app', 'nobody else may read this');
  const manifest = imageOf(secret, [secret]);
  assert.equal((await putManifest(server, 'taken/app', '1.0', manifest)).status, 201);
  await emptyAndDelete('taken', [digestOf(manifest)]);
  assert.equal(await isStored(secret.digest), false);
  await ownedByAlice('taken');
  await ownedByAlice('elsewhere');

  assert.equal(await get(`/v2/taken/app/blobs/${secret.digest}`), 404);
  const mount = `/v2/elsewhere/app/blobs/uploads/?mount=${secret.digest}&from=taken/app`;
  assert.equal((await send(server, 'POST', mount, { as })).status, 202);
  const tags = await send(server, 'GET', '/v2/taken/app/tags/list', { as });
  assert.deepEqual(refusalOf(tags), [404, 'NAME_UNKNOWN']);
  assert.equal(json(await ask(server, 'GET', '/projects/taken')).repo_count, 0);

  // Who has the bytes brings them, and the log agrees that they are new here.
  const path = `/v2/taken/app/blobs/uploads/?digest=${secret.digest}`;
  assert.equal((await send(server, 'POST', path, { as, body: 'nobody else may read this' })).status, 201);
  assert.equal(await get(`/v2/taken/app/blobs/${secret.digest}`), 200);
});

test('what another project holds as well stays there, whatever becomes of the one that is deleted', async () => {
  await createProject(server, 'shared');
  const { digest } = await pushBlob(server, 'shared/app', 'held by two');
  await pushBlob(server, 'library/shared', 'held by two');
  await createProject(server, 'shared-not');
  await pushBlob(server, 'shared-not/app', 'held by two');
  await emptyAndDelete('shared', []);
  for (const repository of ['library/shared', 'shared-not/app'])
    assert.equal((await send(server, 'GET', `/v2/${repository}/blobs/${digest}`)).status, 200);
});

test('a project that holds a manifest keeps it and all its blobs when it is not deleted', async () => {
  await createProject(server, 'kept');
  const { digest, blob } = await pushImage(server, 'kept/app', '1.0');
  const lone = await pushBlob(server, 'kept/app', 'uploaded for the next push');
  assert.equal((await ask(server, 'DELETE', '/projects/kept')).status, 412);
  for (const path of [`manifests/${digest}`, `blobs/${blob.digest}`, `blobs/${lone.digest}`])
    assert.equal((await send(server, 'HEAD', `/v2/kept/app/${path}`)).status, 200);
});

test('more blobs than are looked at in one go are all taken out', async () => {
  await createProject(server, 'many');
  const digests: string[] = [];
  for (let number = 0; number < 230; number += 1) {
    const { digest } = await pushBlob(server, `many/app${number % 3}`, `one of many ${number}`);
    digests.push(digest);
  }
  await emptyAndDelete('many', []);
  const left = new Set(await collector.keys().then((keys) => keys.map((key) => key.split('/')[2])));
  assert.deepEqual(
    digests.filter((digest) => left.has(digest.slice('sha256:'.length))),
    [],
  );
});

async function* whole(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
const store = (text: string) => collector.store.put(digestOf(text) as Digest, whole(text));

/** What pushes record whose project goes between their last look at it and the record: an index of an index. */
async function recordLate(repository: string) {
  const blob = await store('recorded late');
  const held = decision(blobStream(blob.digest), storing(repository), { ...blob, repository });
  await record(metadata, held);
  const image = imageOf({ ...blob, mediaType: 'application/octet-stream' }, []);
  const indexOf = (manifest: string, mediaType: string) =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [{ mediaType, digest: digestOf(manifest), size: manifest.length }],
    });
  const inner = indexOf(image, mediaTypes.image);
  const outer = indexOf(inner, mediaTypes.index);
  for (const text of [image, inner, outer]) {
    const stored = await store(text);
    const manifest = parseManifest(Buffer.from(text), JSON.parse(text).mediaType);
    const pushed = { repository, ...stored, ...manifest, attributes: {} };
    await record(metadata, decision(artifactStream(repository, stored.digest), pushing, pushed));
  }
  const at = { repository, tag: '1.0', digest: digestOf(outer) as Digest, isImmutable: false };
  await record(metadata, decision(tagStream(repository, '1.0'), assigning, at));
  return { blob: blob.digest, image: digestOf(image) };
}

test('what is recorded for a project that is gone is not there for the next one of its name', async () => {
  await createProject(server, 'late');
  await emptyAndDelete('late', []);
  const { blob, image } = await recordLate('late/app');
  await ownedByAlice('late');
  for (const path of [`blobs/${blob}`, `manifests/${image}`, 'manifests/1.0', 'tags/list'])
    assert.equal(await get(`/v2/late/app/${path}`), 404, path);
  assert.equal(await isStored(blob), false);
  const events = await eventsOf(collector.log, artifactStream('late/app', image as Digest));
  assert.deepEqual(
    events.filter(({ type }) => type === 'ManifestDeleted').map(({ metadata: { actor } }) => actor),
    ['system'],
    'who creates the next one has deleted nothing',
  );
  const rows = json(await ask(server, 'GET', '/projects/late/auditlog-exts', { as: 'alice' }));
  assert.deepEqual(
    rows.map(({ operation, resource_type }: Record<string, string>) => `${operation} ${resource_type}`),
    ['create project'],
  );
});

test('what is put into a project that another request has created under the name meanwhile stays', async () => {
  await createProject(server, 'twice');
  await emptyAndDelete('twice', []);
  let pushed: Promise<readonly string[]> | undefined;
  const push = async () => {
    await ownedByAlice('twice');
    const { digest, blob } = await pushImage(server, 'twice/app', '1.0');
    const lone = await pushBlob(server, 'twice/app', 'uploaded meanwhile');
    return [`manifests/${digest}`, `blobs/${blob.digest}`, `blobs/${lone.digest}`];
  };
  const log = {
    head: () => collector.log.head(),
    async readStream(...asked: Parameters<typeof collector.log.readStream>) {
      const answer = await collector.log.readStream(...asked);
      pushed ??= push();
      await pushed;
      return answer;
    },
  };
  const { clearVacant } = projectClearer({ ...collector, log, record, newCondemnation: randomUUID });
  await clearVacant('twice', metadata);
  for (const path of (await pushed) ?? []) assert.equal(await get(`/v2/twice/app/${path}`), 200, path);
});
