import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { iconOf } from '../../gateway/api/icons.ts';
import { startServer } from '../server.ts';
import { ask, createProject, createUser, faultOf, json } from './api-client.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, putManifest } from './client.ts';

const server = await startServer({ after });
await createProject(server, 'team');
await createUser(server, 'stranger');

const additionAt = (repository: string, reference: string, addition: string) =>
  `/projects/team/repositories/${repository.replaceAll('/', '%252F')}/artifacts/${reference}/additions/${addition}`;
const get = (repository: string, addition: string, as?: string) =>
  ask(server, 'GET', additionAt(repository, 'latest', addition), { ...(as !== undefined && { as }) });

interface Part {
  readonly mediaType: string;
  readonly bytes: string | Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Pushes an artifact of these parts as `team/<repository>:latest`; resolves to the digests of its layers. */
async function push(repository: string, config: Part, layers: readonly Part[], more: object = {}) {
  const described = async ({ mediaType, bytes, annotations }: Part) => ({
    ...(await pushBlob(server, `team/${repository}`, bytes)),
    mediaType,
    ...(annotations !== undefined && { annotations }),
  });
  const parts = [];
  for (const layer of layers) parts.push(await described(layer));
  const manifest = imageOf(await described(config), parts, more);
  const answer = await putManifest(server, `team/${repository}`, 'latest', manifest);
  assert.equal(answer.status, 201, answer.body.toString());
  return digestOf(manifest);
}

type Entry = readonly [name: string, content: string | Buffer, more?: object];

async function archive(...entries: readonly Entry[]): Promise<Buffer> {
  const packed = pack();
  for (const [name, content, more = {}] of entries) packed.entry({ name, ...more }, content);
  packed.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packed as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const imageConfig = (document: unknown): Part => ({
  mediaType: 'application/vnd.oci.image.config.v1+json',
  bytes: typeof document === 'string' ? document : JSON.stringify(document),
});
const chartConfig = (document: unknown): Part => ({
  mediaType: 'application/vnd.cncf.helm.config.v1+json',
  bytes: JSON.stringify(document),
});
const chartLayer = (bytes: Buffer): Part => ({
  mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
  bytes,
});
const document = (path: string, bytes: string | Buffer, packing = 'tar'): Part => ({
  mediaType: `application/vnd.cncf.model.doc.v1.${packing}`,
  bytes,
  annotations: { 'org.cncf.model.filepath': path },
});
const modelConfig: Part = { mediaType: 'application/vnd.cncf.model.config.v1+json', bytes: '{"model":1}' };

/** Pushes a chart with this archive. */
const pushChart = async (repository: string, ...entries: readonly Entry[]) =>
  push(repository, chartConfig({ name: repository }), [chartLayer(gzipSync(await archive(...entries)))]);

test('the build history of an image is that of its config', async () => {
  const history = [
    { created: '2026-11-01T00:00:00Z', created_by: 'COPY . .', comment: 'buildkit' },
    { created_by: 'CMD ["x"]', empty_layer: true, author: 5, unknown: { deep: [] } },
  ];
  await push('image', imageConfig({ architecture: 'amd64', history }), []);
  for (const addition of ['build_history', 'BUILD_HISTORY']) {
    const answer = await get('image', addition);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
    assert.deepEqual(json(answer), [history[0], { created_by: 'CMD ["x"]', empty_layer: true }]);
  }
});

test('an image without a history has an empty one', async () => {
  for (const [name, config] of Object.entries({ none: {}, odd: { history: 'x' }, list: { history: [1] } })) {
    await push(`without/${name}`, imageConfig(config), []);
    assert.deepEqual(json(await get(`without/${name}`, 'build_history')), []);
  }
});

test('a config that is no JSON object, or too large, has no history', async () => {
  await push('text-config', imageConfig('not JSON'), []);
  assert.equal((await get('text-config', 'build_history')).status, 404);
  await push('large-config', imageConfig(`{"a":"${'x'.repeat(4 * 1024 * 1024)}"}`), []);
  assert.equal((await get('large-config', 'build_history')).status, 400);
});

test('an index and an artifact of another kind have no build history', async () => {
  const digest = await push('indexed', imageConfig({ history: [] }), []);
  const child = { mediaType: mediaTypes.image, digest, size: 0 };
  const { bytes } = await manifestOf('indexed', digest);
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [{ ...child, size: bytes }],
  });
  assert.equal((await putManifest(server, 'team/indexed', 'index', index, mediaTypes.index)).status, 201);
  const ofIndex = await ask(server, 'GET', additionAt('indexed', 'index', 'build_history'));
  assert.deepEqual(
    [ofIndex.status, faultOf(ofIndex)],
    [400, { code: 'BAD_REQUEST', message: "addition build_history isn't supported for IMAGE" }],
  );
  await pushChart('no-history', ['no-history/values.yaml', 'a: 1']);
  assert.equal((await get('no-history', 'build_history')).status, 400);
});

async function manifestOf(repository: string, digest: string) {
  const answer = await server.fetch(`/v2/team/${repository}/manifests/${digest}`);
  return { bytes: (await answer.arrayBuffer()).byteLength };
}

test('the documents of a chart are those beside its Chart.yaml', async () => {
  await pushChart(
    'charts/web',
    ['web/Chart.yaml', 'name: web'],
    ['web/charts/database/values.yaml', 'wrong: true'],
    ['web/charts/database/README.md', '# Wrong'],
    ['values.yaml', 'wrong: true'],
    ['web/values.yaml', 'right: true'],
    ['./web/ReadMe.md', '# Right'],
  );
  const values = await get('charts/web', 'values.yaml');
  assert.equal(values.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(values.body.toString(), 'right: true');
  assert.equal(values.headers['x-content-type-options'], 'nosniff');
  const readme = await get('charts/web', 'README.md');
  assert.equal(readme.headers['content-type'], 'text/markdown; charset=utf-8');
  assert.equal(readme.body.toString(), '# Right');
});

test('an artifact says where its additions are', async () => {
  const shown = async (repository: string) =>
    json(await ask(server, 'GET', additionAt(repository, 'latest', '').replace('/additions/', '')));
  const digest = await pushChart('charts/linked', ['linked/values.yaml', 'found: true']);
  const { addition_links, type, icon } = await shown('charts/linked');
  const artifact = `/api/v2.0/projects/team/repositories/charts%252Flinked/artifacts/${digest}`;
  assert.deepEqual(
    addition_links,
    Object.fromEntries(
      ['values.yaml', 'readme.md', 'dependencies'].map((name) => [
        name,
        { href: `${artifact}/additions/${name}`, absolute: false },
      ]),
    ),
  );
  assert.equal(
    (await ask(server, 'GET', `${artifact}/additions/values.yaml`)).body.toString(),
    'found: true',
  );
  assert.deepEqual([type, icon], ['CHART', iconOf('CHART')]);
  await push('nameless', { mediaType: 'application/vnd.oci.empty.v1+json', bytes: '{}' }, []);
  assert.equal((await shown('nameless')).addition_links, undefined);
});

test('a chart says what it depends on', async () => {
  const dependencies = [
    { name: 'database', version: '1.x', repository: 'oci://registry.example.com/charts', condition: 'db.on' },
  ];
  await push('depending', chartConfig({ name: 'depending', dependencies: [...dependencies, 'x', {}] }), []);
  assert.deepEqual(json(await get('depending', 'dependencies')), dependencies);
  await push('independent', chartConfig({ name: 'independent' }), []);
  assert.deepEqual(json(await get('independent', 'dependencies')), []);
});

test('a chart without the document, or that is no archive, does not have it', async () => {
  await pushChart('bare', ['bare/Chart.yaml', 'name: bare']);
  await pushChart('linked', ['linked/values.yaml', '', { type: 'symlink', linkname: '/etc/passwd' }]);
  await push('plain', chartConfig({}), [chartLayer(Buffer.from('neither packed nor an archive'))]);
  await push('garbage', chartConfig({}), [chartLayer(gzipSync(Buffer.alloc(2048, 'x')))]);
  const whole = gzipSync(await archive(['cut/a', Buffer.alloc(100_000, 'a')], ['cut/values.yaml', 'a: 1']));
  await push('cut', chartConfig({}), [chartLayer(whole.subarray(0, whole.length - 40))]);
  await push('empty', chartConfig({}), [chartLayer(gzipSync(Buffer.alloc(0)))]);
  await push('no-layer', chartConfig({}), []);
  for (const repository of ['bare', 'linked', 'plain', 'garbage', 'cut', 'empty', 'no-layer'])
    assert.equal((await get(repository, 'values.yaml')).status, 404, repository);
});

test('an archive that unpacks to more than is looked at is not unpacked further', async () => {
  const filler: Entry = ['bomb/filler', Buffer.alloc(33 * 1024 * 1024)];
  await pushChart('bomb', filler, ['bomb/values.yaml', 'late: true']);
  await pushChart('no-bomb', ['no-bomb/values.yaml', 'early: true'], filler);
  await pushChart('large-file', ['large-file/values.yaml', Buffer.alloc(1024 * 1024 + 1, 'a')]);
  const layers = gzipSync(await archive(['nested/values.yaml', gzipSync(Buffer.alloc(1024))]));
  await push('nested', chartConfig({}), [chartLayer(gzipSync(layers))]);
  // More of them at once than are unpacked at once.
  const answers = await Promise.all(Array.from({ length: 5 }, () => get('bomb', 'values.yaml')));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [400, 400, 400, 400, 400],
  );
  assert.equal((await get('no-bomb', 'values.yaml')).body.toString(), 'early: true');
  assert.equal((await get('large-file', 'values.yaml')).status, 400);
  assert.equal((await get('nested', 'values.yaml')).status, 404);
});

test('the documents of a model are its layers, packed or not', async () => {
  await push('model', modelConfig, [
    { ...document('weights/model.bin', 'xx', 'raw'), mediaType: 'application/vnd.cncf.model.weight.v1.raw' },
    document('README.md', await archive(['README.md', '# Model'])),
    document('LICENSE', 'Apache-2.0', 'raw'),
    document('docs/', await archive(['docs/a', 'b'])),
    document('docs/guide.md', 'guide', 'raw'),
    document('__proto__/constructor', 'x', 'raw'),
  ]);
  const readme = await get('model', 'readme.md');
  assert.equal(readme.headers['content-type'], 'text/markdown; charset=utf-8');
  assert.equal(readme.body.toString(), '# Model');
  const license = await get('model', 'license');
  assert.equal(license.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(license.body.toString(), 'Apache-2.0');
  const files = json(await get('model', 'files'));
  assert.deepEqual(
    files.map(({ name, type }: { name: string; type: string }) => [name, type]),
    [
      ['__proto__', 'directory'],
      ['docs', 'directory'],
      ['weights', 'directory'],
      ['LICENSE', 'file'],
      ['README.md', 'file'],
    ],
  );
  assert.deepEqual(files[1].children, [{ name: 'guide.md', type: 'file', size: 5 }]);
});

test('a document of a model that is packed otherwise is refused, and one that it lacks is not found', async () => {
  await push('packed', modelConfig, [
    document('README.md', gzipSync(await archive(['README.md', '# Packed'])), 'tar+gzip'),
    document('LICENSE', 'x', 'tar+zstd'),
  ]);
  assert.equal((await get('packed', 'readme.md')).body.toString(), '# Packed');
  assert.equal((await get('packed', 'license')).status, 400);
  await push('silent', modelConfig, []);
  assert.equal((await get('silent', 'readme.md')).status, 404);
  assert.deepEqual(json(await get('silent', 'files')), []);
});

test('a path of a model that is deeper than any is left out', async () => {
  await push('deep', modelConfig, [document('a/'.repeat(100_000), 'x', 'raw')]);
  assert.deepEqual(json(await get('deep', 'files')), []);
});

test('an SBOM comes as it was pushed', async () => {
  const sbom = JSON.stringify({ spdxVersion: 'SPDX-2.3', packages: Array.from({ length: 1000 }, () => 'x') });
  const config = { mediaType: 'application/vnd.goharbor.harbor.sbom.v1', bytes: '{}' };
  await push('sbom', config, [{ mediaType: 'application/vnd.example', bytes: sbom }]);
  const answer = await get('sbom', 'sbom');
  assert.equal(answer.headers['content-length'], String(sbom.length));
  assert.equal(answer.body.toString(), sbom);
  assert.equal((await get('image', 'sbom')).status, 400);
});

test('nothing has scanned an artifact, so that there are no vulnerabilities of it to show', async () => {
  await push('unscanned', imageConfig({}), []);
  for (const addition of ['vulnerabilities', 'Vulnerabilities']) {
    const answer = await get('unscanned', addition);
    assert.deepEqual([answer.status, json(answer)], [200, {}]);
  }
  assert.equal((await get('absent', 'vulnerabilities')).status, 404);
});

test('an addition that there is not is refused, and of an artifact that is not there nothing is found', async () => {
  await push('asked', imageConfig({}), []);
  for (const addition of ['constructor', 'files', 'x'])
    assert.equal((await get('asked', addition)).status, 400, addition);
  for (const repository of ['absent', 'NO'])
    assert.equal((await get(repository, 'build_history')).status, 404);
  const unknown = additionAt('asked', `sha256:${'0'.repeat(64)}`, 'build_history');
  assert.equal((await ask(server, 'GET', unknown)).status, 404);
});

test('what an addition would be read out of may be lost', async () => {
  const config = JSON.stringify({ history: [], mark: 'lost' });
  const chart = gzipSync(await archive(['lost/values.yaml', 'lost: true']));
  const sbom = '{"lost":true}';
  await push('lost-config', imageConfig(config), []);
  await push('lost-chart', chartConfig({}), [chartLayer(chart)]);
  await push('lost-sbom', { mediaType: 'application/vnd.goharbor.harbor.sbom.v1', bytes: '{}' }, [
    { mediaType: 'application/vnd.example', bytes: sbom },
  ]);
  for (const bytes of [config, chart, sbom]) {
    const hex = digestOf(bytes).slice('sha256:'.length);
    await rm(join(server.dataDirectory, 'blobs', 'blobs', 'sha256', hex.slice(0, 2), hex), {
      recursive: true,
    });
  }
  assert.equal((await get('lost-config', 'build_history')).status, 404);
  assert.equal((await get('lost-chart', 'values.yaml')).status, 404);
  assert.equal((await get('lost-sbom', 'sbom')).status, 404);
});

test('additions are for who may see the artifact', async () => {
  await push('private', imageConfig({ history: [] }), []);
  for (const addition of ['build_history', 'vulnerabilities']) {
    assert.equal((await get('private', addition, 'stranger')).status, 403);
    assert.equal((await get('private', addition, '')).status, 401);
  }
});
