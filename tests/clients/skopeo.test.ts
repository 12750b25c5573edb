import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer, type TestServer } from '../server.ts';
import { type ContainerTools, startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';
import { buildImage, buildLargeImage, type LayoutImage, readImage, toZstd } from './images.ts';
import { readLayout, writeImage, writeIndex } from './layout.ts';

const overHttp = { to: '--dest-tls-verify=false', from: '--src-tls-verify=false' };

test('skopeo gets back what it has put into the registry', async (t) => {
  const tools = await startContainerTools(t, ['skopeo', 'umoci']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const { run } = tools;
  const inRegistry = (name: string) => `docker://${server.registry}/library/${name}`;
  const creds = ['--dest-creds', `admin:${server.password}`];
  const image = await buildImage(tools, 'gzip');

  const put = async ({ name }: LayoutImage, as: string) =>
    run('skopeo', 'copy', '--preserve-digests', overHttp.to, ...creds, name, inRegistry(as));
  const get = (from: string) => pull(tools, server, from);

  await t.test('an image comes back with the same manifest and the same bytes in every blob', async () => {
    await put(image, 'app:1.0');
    const pulled = await get('app:1.0');
    assert.equal(pulled.digest, image.digest);
    assert.deepEqual(pulled.blobs, image.blobs);
    assert.equal(image.blobs.length, 4);
  });

  await t.test('zstd layers stay zstd layers', async () => {
    const zstd = await toZstd(tools, image, 'zstd');
    await put(zstd, 'app:zstd');
    const pulled = await get('app:zstd');
    assert.equal(pulled.digest, zstd.digest);
    assert.ok(pulled.blobs.slice(1).every(({ mediaType }) => mediaType.endsWith('tar+zstd')));
  });

  await t.test('layers that are not compressed stay so', async () => {
    const folder = `dir:${join(tools.directory, 'plain')}`;
    await run('skopeo', 'copy', '--dest-decompress', image.name, folder);
    // Without --preserve-digests skopeo compresses what it sends to a registry.
    await run('skopeo', 'copy', '--preserve-digests', overHttp.to, ...creds, folder, inRegistry('plain:1.0'));
    const back = join(tools.directory, 'plain-pulled');
    await run('skopeo', 'copy', '--preserve-digests', overHttp.from, inRegistry('plain:1.0'), `dir:${back}`);
    const manifest = await readFile(join(back, 'manifest.json'), 'utf8');
    assert.equal(manifest, await readFile(join(tools.directory, 'plain', 'manifest.json'), 'utf8'));
    const { layers } = JSON.parse(manifest) as { layers: { mediaType: string }[] };
    assert.ok(
      layers.every(({ mediaType }) => mediaType === 'application/vnd.oci.image.layer.v1.tar'),
      manifest,
    );
  });

  await t.test('an image in the Docker format comes back in the Docker format', async () => {
    const formatted = ['--format', 'v2s2', overHttp.to, ...creds];
    await run('skopeo', 'copy', ...formatted, image.name, inRegistry('app:docker'));
    const raw = await run('skopeo', 'inspect', '--tls-verify=false', '--raw', inRegistry('app:docker'));
    const { mediaType, layers } = JSON.parse(raw) as {
      mediaType: string;
      layers: { digest: string }[];
    };
    assert.equal(mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
    assert.deepEqual(
      layers.map(({ digest }) => digest),
      image.blobs.slice(1).map(({ digest }) => digest),
    );
    const folder = join(tools.directory, 'as-docker');
    await run('skopeo', 'copy', overHttp.from, inRegistry('app:docker'), `dir:${folder}`);
  });

  await t.test('an image can be copied from one repository to another', async () => {
    const both = [overHttp.from, overHttp.to, ...creds];
    await run('skopeo', 'copy', ...both, inRegistry('app:1.0'), inRegistry('copies/app:1.0'));
    const pulled = await get('copies/app:1.0');
    assert.equal(pulled.digest, image.digest);
    assert.deepEqual(pulled.blobs, image.blobs);
  });

  await t.test('an image can be pulled by its digest', async () => {
    const pulled = await get(`app@${image.digest}`);
    assert.equal(pulled.digest, image.digest);
  });

  await t.test('a layer of 300 MB comes back with the same bytes', async () => {
    const large = await buildLargeImage(tools, 'large', 300_000_000);
    assert.ok(large.blobs.some(({ size }) => size >= 300_000_000));
    await put(large, 'large:1.0');
    const pulled = await get('large:1.0');
    assert.equal(pulled.digest, large.digest);
    assert.deepEqual(pulled.blobs, large.blobs);
  });

  await t.test('skopeo inspect tells the digest and the layers', async () => {
    const told = JSON.parse(await run('skopeo', 'inspect', '--tls-verify=false', inRegistry('app:1.0')));
    assert.equal(told.Digest, image.digest);
    assert.deepEqual(
      told.Layers,
      image.blobs.slice(1).map(({ digest }) => digest),
    );
    assert.deepEqual(told.RepoTags, ['1.0', 'docker', 'zstd']);
  });

  await t.test('skopeo list-tags tells the tags in order', async () => {
    const told = JSON.parse(await run('skopeo', 'list-tags', '--tls-verify=false', inRegistry('app')));
    assert.deepEqual(told.Tags, ['1.0', 'docker', 'zstd']);
  });

  await t.test('skopeo without credentials may not push, with wrong ones not even pull', async () => {
    await assert.rejects(
      run('skopeo', 'copy', overHttp.to, image.name, inRegistry('anonymous:1.0')),
      /authentication required|unauthorized/i,
    );
    await assert.rejects(
      run('skopeo', 'inspect', '--tls-verify=false', '--creds', 'admin:wrong', inRegistry('app:1.0')),
      /wrong user name or password|unauthorized|invalid username\/password/i,
    );
  });
});

test('skopeo copies indexes, synchronises repositories and deletes', async (t) => {
  const tools = await startContainerTools(t, ['skopeo']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const skopeo = (...args: string[]) => tools.run('skopeo', ...args);
  const login = (username: string, password: string) =>
    skopeo('login', '--tls-verify=false', '-u', username, '-p', password, server.registry);
  const at = (name: string) => `docker://${server.registry}/library/${name}`;
  const copy = (...args: string[]) =>
    skopeo('copy', '--all', '--preserve-digests', overHttp.from, overHttp.to, ...args);
  const digestOf = async (name: string): Promise<string> =>
    JSON.parse(await skopeo('inspect', '--tls-verify=false', at(name))).Digest;
  const tagsOf = async (name: string): Promise<string[]> =>
    JSON.parse(await skopeo('list-tags', '--tls-verify=false', at(name))).Tags;
  const index = await writeIndex(join(tools.directory, 'index'), { 'etc/name': 'skopeo' });
  const image = await writeImage(join(tools.directory, 'image'), { 'etc/name': 'image' });

  await t.test('a login with the right password succeeds, and with a wrong one does not', async () => {
    await assert.rejects(login('admin', 'wrong'), /unauthorized|invalid username\/password/i);
    await login(guest.username, guest.password);
    await assert.rejects(copy(`oci:${index.folder}:layout`, at('app:all')), /denied/i);
    await login('admin', server.password);
  });

  await t.test('an index comes back with all its images and the same bytes', async () => {
    await copy(`oci:${index.folder}:layout`, at('app:all'));
    assert.equal(await digestOf('app:all'), index.digest);
    await copy(at('app:all'), 'oci:pulled:all');
    assert.deepEqual(await readLayout(join(tools.directory, 'pulled')), await readLayout(index.folder));
  });

  await t.test('an image of an index is pulled for its platform', async () => {
    const arm64 = index.images[1];
    await skopeo('--override-arch', 'arm64', 'copy', overHttp.from, at('app:all'), 'oci:arm64:all');
    const pulled = await readLayout(join(tools.directory, 'arm64'));
    assert.ok(arm64 !== undefined && pulled.includes(arm64.digest));
    assert.ok(!pulled.includes(index.digest));
  });

  await t.test('a copy within the registry mounts the layers of the other repository', async () => {
    const told = await tools.tell(
      'skopeo',
      '--debug',
      'copy',
      '--all',
      overHttp.from,
      overHttp.to,
      at('app:all'),
      at('copies/app:all'),
    );
    const layers = new Set(index.images.flatMap((each) => each.layers).map(({ digest }) => digest));
    assert.equal([...told.matchAll(/\.\.\. mount OK/g)].length, layers.size, told);
    // A config is read by skopeo in any case, and sent.
    assert.equal([...told.matchAll(/PATCH http/g)].length, index.images.length, told);
    assert.equal(await digestOf('copies/app:all'), index.digest);
  });

  await t.test(
    'a repository is synchronised into a folder and from there into another repository',
    async () => {
      await copy(`oci:${image.folder}:layout`, at('app:1.0'));
      const sync = ['sync', '--all', '--preserve-digests', overHttp.from, overHttp.to];
      await mkdir(join(tools.directory, 'mirror'));
      await skopeo(...sync, '--src', 'docker', '--dest', 'dir', `${server.registry}/library/app`, 'mirror');
      await skopeo(
        ...sync,
        '--src',
        'dir',
        '--dest',
        'docker',
        'mirror',
        `${server.registry}/library/mirror`,
      );
      assert.deepEqual(await tagsOf('mirror/app'), ['1.0', 'all']);
      assert.equal(await digestOf('mirror/app:1.0'), image.digest);
      assert.equal(await digestOf('mirror/app:all'), index.digest);
    },
  );

  await t.test('a deleted image is gone with all its tags, and others stay', async () => {
    await copy(at('app:1.0'), at('app:2.0'));
    await skopeo('delete', '--tls-verify=false', at('app:1.0'));
    assert.deepEqual(await tagsOf('app'), ['all']);
    await assert.rejects(digestOf('app:2.0'), /manifest unknown/);
    await assert.rejects(skopeo('delete', '--tls-verify=false', at('app:1.0')), /may not exist/);
    assert.equal(await digestOf('mirror/app:1.0'), image.digest);
  });

  await t.test('a guest reads, and neither copies nor deletes', async () => {
    await login(guest.username, guest.password);
    assert.equal(await digestOf('app:all'), index.digest);
    await assert.rejects(copy(at('app:all'), at('mine:all')), /denied/i);
    await assert.rejects(skopeo('delete', '--tls-verify=false', at('app:all')), /denied|403/i);
    await skopeo('logout', server.registry);
    assert.equal(await digestOf('app:all'), index.digest);
    const secret = `docker://${server.registry}/secret/app:1.0`;
    await assert.rejects(
      skopeo('inspect', '--tls-verify=false', secret),
      /unauthorized|authentication required/i,
    );
  });
});

let pulls = 0;

/** The image as it lies in a fresh OCI layout after a pull without credentials. */
async function pull(tools: ContainerTools, server: TestServer, name: string): Promise<LayoutImage> {
  const layout = join(tools.directory, `pulled-${++pulls}`);
  const from = `docker://${server.registry}/library/${name}`;
  await tools.run('skopeo', 'copy', overHttp.from, from, `oci:${layout}:pulled`);
  return readImage(layout, 'pulled');
}
