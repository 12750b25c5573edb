import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, faultOf, json } from './api-client.ts';
import { artifactsOf, indexOf, listed, push, pushWithConfig } from './artifacts.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, pushImage, refusalOf, send } from './client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
await createUser(server, 'guest');
await createUser(server, 'developer');
await addMember(server, 'team', 'guest', 'guest');
await addMember(server, 'team', 'developer', 'developer');

const chartType = 'application/vnd.cncf.helm.config.v1+json';
const digestsOf = ({ items }: { items: { digest: string }[] }) => items.map(({ digest }) => digest);
const list = (repository: string, query = '') => listed(server, `${artifactsOf('team', repository)}${query}`);
const get = async (repository: string, reference: string, query = '') =>
  ask(server, 'GET', `${artifactsOf('team', repository)}/${reference}${query}`);
const shown = async (repository: string, reference: string, query = '') => {
  const answer = await get(repository, reference, query);
  assert.equal(answer.status, 200, answer.body.toString());
  return json(answer);
};

test('an image is shown with what its config says of it', async () => {
  const config = {
    created: '2026-01-02T03:04:05Z',
    author: 'somebody',
    architecture: 'arm64',
    os: 'linux',
    config: { Env: ['A=b'], Labels: { __proto__x: 'y' } },
    rootfs: { type: 'layers', diff_ids: [] },
    history: [{ created_by: 'a secret of the build' }],
  };
  const annotations = { 'org.example.a': 'b' };
  const image = await pushWithConfig(server, 'team/deep/image', '1.0', config, { annotations });

  for (const reference of ['1.0', image.digest, image.digest.replace(':', '%3A')]) {
    const { id, repository_id, push_time, tags, ...artifact } = await shown('deep/image', reference);
    assert.equal(id, repository_id, 'one event has made both');
    assert.ok(Math.abs(Date.now() - Date.parse(push_time)) < 60_000);
    const { rootfs: _, history: __, ...extra_attrs } = config;
    assert.deepEqual(artifact, {
      type: 'IMAGE',
      media_type: 'application/vnd.oci.image.config.v1+json',
      manifest_media_type: mediaTypes.image,
      artifact_type: 'application/vnd.oci.image.config.v1+json',
      project_id: projectId,
      repository_name: 'team/deep/image',
      digest: image.digest,
      size: image.total,
      icon: artifact.icon,
      pull_time: '0001-01-01T00:00:00.000Z',
      extra_attrs,
      annotations,
      references: null,
      labels: null,
      accessories: null,
      ...(artifact.addition_links && { addition_links: artifact.addition_links }),
    });
    assert.deepEqual(
      tags.map(({ name, artifact_id, repository_id: of, immutable }: Record<string, unknown>) => [
        ...[name, artifact_id, of, immutable],
      ]),
      [['1.0', id, repository_id, false]],
    );
  }
});

test('charts and other artifacts show their config, and are told apart by its media type', async () => {
  const chart = { name: 'app', version: '1.2.3', apiVersion: 'v2', appVersion: '4' };
  await pushWithConfig(server, 'team/kinds', 'chart', chart, { mediaType: chartType });
  const mediaType = 'application/vnd.acme.rocket.config.v1+json';
  await pushWithConfig(server, 'team/kinds', 'rocket', { thrust: 9 }, { mediaType });
  await pushWithConfig(server, 'team/kinds', 'typed', '{}', {
    mediaType: 'application/vnd.oci.empty.v1+json',
    artifactType: 'application/vnd.example.thing',
  });
  const kindOf = async (tag: string) => {
    const { type, media_type, artifact_type, extra_attrs } = await shown('kinds', tag);
    return [type, media_type, artifact_type, extra_attrs];
  };
  assert.deepEqual(await kindOf('chart'), ['CHART', chartType, chartType, chart]);
  assert.deepEqual(await kindOf('rocket'), ['ROCKET', mediaType, mediaType, { thrust: 9 }]);
  const thing = 'application/vnd.example.thing';
  assert.deepEqual(await kindOf('typed'), ['UNKNOWN', thing, thing, {}]);
});

test('a config that is no JSON, is nested without end or is huge is no reason to refuse a push', async () => {
  const configs = ['not JSON', '[1]', '"text"', '\ufffe', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`];
  configs.push(JSON.stringify({ config: { Labels: { a: 'x'.repeat(100_000) } } }));
  configs.push(JSON.stringify({ author: 'y'.repeat(300_000) }));
  for (const [n, config] of configs.entries()) {
    await pushWithConfig(server, 'team/odd', `v${n}`, config);
    assert.deepEqual((await shown('odd', `v${n}`)).extra_attrs, {}, `v${n}`);
  }
  const strange = { author: 'a\0b', os: '\ud800', config: { ['__proto__']: 1, 'a\0': 1e308 } };
  await pushWithConfig(server, 'team/odd', 'strange', JSON.stringify(strange).replace('1e+308', '1e999'));
  assert.deepEqual((await shown('odd', 'strange')).extra_attrs.author, 'a\0b');
});

test('artifacts are listed by the time of their push, in pages, with their tags', async () => {
  const pushed = [];
  for (let n = 0; n < 5; n += 1) pushed.unshift(await pushImage(server, 'team/paged', `v${n}`, `mark ${n}`));
  const digests = pushed.map(({ digest }) => digest);
  const first = await list('paged', '?page_size=2');
  assert.deepEqual([digestsOf(first), first.total], [digests.slice(0, 2), 5]);
  assert.match(String(first.link), /page=2&page_size=2>; rel="next"/);
  assert.deepEqual(digestsOf(await list('paged', '?page_size=2&page=3')), digests.slice(4));
  assert.deepEqual(digestsOf(await list('paged', '?page_size=2&page=4')), []);
  assert.deepEqual(
    digestsOf(await list('paged', '?sort=push_time&page_size=2')),
    digests.slice(3).toReversed(),
  );
  assert.deepEqual(digestsOf(await list('paged', '?sort=digest')), digests.toSorted());
  const all = await list('paged', '?page=0&page_size=0');
  assert.deepEqual([digestsOf(all), all.total, all.link], [digests, 5, undefined]);
  assert.deepEqual(
    all.items[0].tags.map(({ name }: { name: string }) => name),
    ['v4'],
  );
  assert.equal((await list('paged', '?with_tag=false')).items[0].tags, null);
});

test('a list of everything is whole, however long it is', async () => {
  const blob = await pushBlob(server, 'team/long', '{}');
  const mark = (n: number) => imageOf(blob, [blob], { annotations: { mark: String(n) } });
  for (let n = 0; n < 240; n += 20)
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => push(server, 'team/long', undefined, mark(n + i))),
    );
  const { items, total, link } = await listed(server, `${artifactsOf('team', 'long')}?page_size=0`);
  assert.deepEqual([items.length, total, link], [240, 240, undefined]);
  assert.equal(new Set(digestsOf({ items })).size, 240);
  const ids = items.map(({ id }: { id: number }) => id);
  assert.deepEqual(
    ids,
    ids.toSorted((a: number, b: number) => b - a),
  );
  const whole = await ask(server, 'GET', `${artifactsOf('team', 'long')}?page=0&page_size=0&q=tags=*`);
  assert.deepEqual([json(whole), whole.headers['x-total-count']], [[], '0']);
  assert.equal(json(await ask(server, 'GET', `${artifactsOf('team', 'long')}?page_size=100`)).length, 100);
  assert.equal((await ask(server, 'GET', `${artifactsOf('team', 'long')}?page_size=101`)).status, 422);
});

test('a list is filtered by tags, digests, kinds and times, and counted so', async () => {
  const { digest: tagged } = await pushWithConfig(server, 'team/some', 'v1', { author: 'a' });
  const { digest: untagged } = await pushWithConfig(server, 'team/some', undefined, { author: 'b' });
  const { digest: chart } = await pushWithConfig(
    server,
    'team/some',
    'v2',
    { name: 'c' },
    { mediaType: chartType },
  );
  await push(server, 'team/some', 'extra', JSON.stringify(await manifestOf('team/some', tagged)));
  const cases: readonly [q: string, expected: readonly string[]][] = [
    ['tags=*', [chart, tagged]],
    ['tags=nil', [untagged]],
    ['tags=v1', [tagged]],
    ['tags=V1', []],
    ['tags=~V', [chart, tagged]],
    ['tags={v1 extra v2}', [chart, tagged]],
    ['type=CHART', [chart]],
    ['type=~mag', [untagged, tagged]],
    ['type=IMAGE,tags=*', [tagged]],
    ['tags=*,tags=nil', []],
    [`media_type=${chartType.replace('+', '%2B')}`, [chart]],
    [`digest=${untagged}`, [untagged]],
    ['push_time=[2020-01-01T00:00:00~2020-01-02T00:00:00]', []],
    ['push_time=[2020-01-01T00:00:00~]', [chart, untagged, tagged]],
    ['push_time=nonsense', []],
    ['nothing_like_this=1', [chart, untagged, tagged]],
  ];
  for (const [q, expected] of cases) {
    const found = await list('some', `?q=${encodeURIComponent(q)}`);
    assert.deepEqual([digestsOf(found), found.total], [expected, expected.length], q);
  }
  const second = await list('some', '?q=type=IMAGE&page=2&page_size=1');
  assert.deepEqual([digestsOf(second), second.total], [[tagged], 2]);
});

const manifestOf = async (repository: string, reference: string) =>
  JSON.parse((await send(server, 'GET', `/v2/${repository}/manifests/${reference}`)).body.toString());

test('children of an index are listed only where they have tags, or with base=*', async () => {
  const amd64 = await pushWithConfig(server, 'team/multi', undefined, { architecture: 'amd64' });
  const arm64 = await pushWithConfig(server, 'team/multi', 'arm', { architecture: 'arm64' });
  const platform = {
    architecture: 'amd64',
    os: 'linux',
    variant: 'v1',
    'os.version': '1',
    'os.features': ['a'],
  };
  const index = await push(
    server,
    'team/multi',
    'latest',
    indexOf([
      { ...amd64.descriptor, platform, annotations: { note: 'x' }, urls: ['https://example.com'] },
      { ...arm64.descriptor, platform: { architecture: 7 } },
      { mediaType: mediaTypes.image, digest: digestOf('not there'), size: 9 },
    ]),
    mediaTypes.index,
  );
  const found = await list('multi');
  assert.deepEqual([digestsOf(found), found.total], [[index.digest, arm64.digest], 2]);
  const all = await list('multi', '?q=base=*');
  assert.deepEqual([digestsOf(all), all.total], [[index.digest, arm64.digest, amd64.digest], 3]);

  const { id, size, type, references } = found.items[0];
  assert.deepEqual([type, size], ['IMAGE', amd64.total + arm64.total]);
  const ids = all.items.map((item: { id: number }) => item.id);
  assert.deepEqual(references, [
    {
      ...{ parent_id: id, child_id: ids[2], child_digest: amd64.digest, platform },
      ...{ annotations: { note: 'x' }, urls: ['https://example.com'] },
    },
    { parent_id: id, child_id: ids[1], child_digest: arm64.digest, urls: null },
    { parent_id: id, child_digest: digestOf('not there'), urls: null },
  ]);
});

test('a deletion takes tags, accessories and unneeded children along, and keeps what something needs', async () => {
  const own = await pushWithConfig(server, 'team/family', undefined, { architecture: 'amd64' });
  const shared = await pushWithConfig(server, 'team/family', undefined, { architecture: 'arm64' });
  const tagged = await pushWithConfig(server, 'team/family', 'kept', { architecture: 's390x' });
  const of = (...children: { descriptor: object }[]) => indexOf(children.map(({ descriptor }) => descriptor));
  const first = await push(server, 'team/family', 'a', of(own, shared, tagged), mediaTypes.index);
  const second = await push(server, 'team/family', 'b', of(shared), mediaTypes.index);
  const signature = await pushWithConfig(
    server,
    'team/family',
    'signature',
    {},
    { subject: first.descriptor },
  );
  await pushWithConfig(server, 'team/family', undefined, { b: 1 }, { subject: signature.descriptor });
  await pushWithConfig(server, 'team/family', undefined, { c: 1 }, { subject: own.descriptor });

  const refused = await ask(server, 'DELETE', `${artifactsOf('team', 'family')}/${own.digest}`);
  assert.equal(refused.status, 412);
  assert.deepEqual(faultOf(refused), {
    code: 'VIOLATE_FOREIGN_KEY_CONSTRAINT',
    message: 'the deleting artifact is referenced by others',
  });

  assert.equal((await ask(server, 'DELETE', `${artifactsOf('team', 'family')}/a`)).status, 200);

  const left = await list('family', '?q=base=*');
  assert.deepEqual(digestsOf(left), [second.digest, tagged.digest, shared.digest]);
  const tags = await send(server, 'GET', '/v2/team/family/tags/list');
  assert.deepEqual(JSON.parse(tags.body.toString()).tags, ['b', 'kept']);
  for (const gone of [first, own, signature])
    assert.equal((await send(server, 'GET', `/v2/team/family/manifests/${gone.digest}`)).status, 404);
  assert.equal((await ask(server, 'DELETE', `${artifactsOf('team', 'family')}/a`)).status, 404);
});

test('accessories are listed under their subject alone, by what they are', async () => {
  const image = await pushWithConfig(server, 'team/signed', '1.0', { author: 'x' });
  const subject = image.descriptor;
  const cosign = `sha256-${image.digest.slice('sha256:'.length)}.sig`;
  const layer = await pushBlob(server, 'team/signed', 'signed');
  const layers = [{ ...layer, mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json' }];
  const one = async (tag: string | undefined, more: object) =>
    (await pushWithConfig(server, 'team/signed', tag, { tag, more }, { ...more })).digest;
  const expected: Record<string, string> = {
    [await one(undefined, { subject, artifactType: 'application/vnd.cncf.notary.signature' })]:
      'signature.notation',
    [await one(undefined, { subject, artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' })]:
      'signature.cosign',
    [await one('attached', { subject, artifactType: 'application/vnd.example' })]: 'subject.accessory',
    [await one('fast', {
      annotations: { 'io.goharbor.artifact.v1alpha1.acceleration.source.digest': image.digest },
    })]: 'accelerator.nydus',
    [await one(cosign, { layers })]: 'signature.cosign',
  };

  const found = await list('signed', '?with_accessory=true');
  assert.deepEqual([digestsOf(found), found.total], [[image.digest], 1]);
  const typesOf = (items: { digest: string; type: string }[]) =>
    Object.fromEntries(items.map(({ digest, type }) => [digest, type]));
  assert.deepEqual(typesOf(found.items[0].accessories), expected);
  const path = `${artifactsOf('team', 'signed')}/1.0/accessories`;
  const answer = await ask(server, 'GET', `${path}?q=type=signature.cosign&page_size=1`);
  assert.equal(answer.headers['x-total-count'], '2');
  const [{ id, artifact_id, subject_artifact_id, subject_artifact_digest, subject_artifact_repo }] =
    json(answer);
  assert.deepEqual(
    [id, subject_artifact_id, subject_artifact_digest, subject_artifact_repo],
    [artifact_id, found.items[0].id, image.digest, 'team/signed'],
  );
  assert.deepEqual(typesOf(json(await ask(server, 'GET', path, { as: 'guest' }))), expected);
  assert.equal((await shown('signed', '1.0')).accessories, null);

  assert.equal((await ask(server, 'DELETE', `${artifactsOf('team', 'signed')}/1.0`)).status, 200);
  assert.equal((await list('signed', '?q=base=*')).total, 0);
  const tags = await send(server, 'GET', '/v2/team/signed/tags/list');
  assert.deepEqual(JSON.parse(tags.body.toString()).tags, []);
});

test('the artifacts of a project are listed together, or the last one of each repository', async () => {
  const id = await createProject(server, 'wide');
  const a = [await pushImage(server, 'wide/a', '1', 'a1'), await pushImage(server, 'wide/a', '2', 'a2')];
  const b = await pushWithConfig(server, 'wide/b', '1', {}, { mediaType: chartType });
  for (const named of ['wide', id]) {
    const all = await listed(server, `/projects/${named}/artifacts`);
    assert.deepEqual([digestsOf(all), all.total], [[b.digest, a[1]?.digest, a[0]?.digest], 3]);
    const latest = `/projects/${named}/artifacts?latest_in_repository=true`;
    const images = await listed(server, `${latest}&q=media_type=application/octet-stream`);
    assert.deepEqual([digestsOf(images), images.total], [[a[1]?.digest], 1]);
    const charts = await listed(
      server,
      `${latest}&q=media_type=${encodeURIComponent(encodeURIComponent(chartType))}`,
    );
    assert.deepEqual([digestsOf(charts), charts.total], [[b.digest], 1]);
    for (const q of ['', '&q=type=CHART', '&q=media_type=a,artifact_type=b'])
      assert.deepEqual(refusalOf(await ask(server, 'GET', latest + q)), [400, 'BAD_REQUEST'], q);
  }
  const charts = await listed(server, '/projects/wide/artifacts?q=type=CHART');
  assert.deepEqual(
    [digestsOf(charts), charts.total, charts.items[0].repository_name],
    [[b.digest], 1, 'wide/b'],
  );
  assert.equal((await ask(server, 'GET', '/projects/wide/artifacts', { as: 'guest' })).status, 403);
  assert.equal((await ask(server, 'GET', '/projects/library/artifacts', { as: '' })).status, 401);
});

test('an unknown artifact is 404 for who may know, and permissions come first', async () => {
  for (const [reference, status] of [
    ['none', 404],
    [digestOf('none'), 404],
    ['sha256:short', 404],
    ['%2500', 404],
  ] as const)
    assert.equal((await get('paged', reference)).status, status);
  const message = 'artifact team/paged:none not found';
  assert.deepEqual(faultOf(await get('paged', 'none')), { code: 'NOT_FOUND', message });
  assert.equal((await ask(server, 'GET', artifactsOf('team', 'none'))).status, 404);
  assert.equal((await ask(server, 'GET', artifactsOf('team', 'paged'), { as: '' })).status, 401);
  const one = `${artifactsOf('team', 'paged')}/v1`;
  assert.equal((await ask(server, 'GET', one, { as: 'guest' })).status, 200);
  assert.equal((await ask(server, 'DELETE', one, { as: 'developer' })).status, 403);
  assert.equal((await ask(server, 'GET', `${one}?with_tag=perhaps`)).status, 422);
});
