import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';

const plainHttp = '--tls-verify=false';
const project = new URL('../..', import.meta.url).pathname;
const indexType = 'application/vnd.oci.image.index.v1+json';

test('buildah commits images and an index of them, and gets back what it has pushed', async (t) => {
  const tools = await startContainerTools(t, ['buildah', 'skopeo']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const buildah = async (...args: string[]) => (await tools.run('buildah', ...args)).trim();
  const creds = ['--creds', `admin:${server.password}`];
  const repository = `${server.registry}/library/multi`;

  /** Commits an image with one file of this project for `architecture`; resolves to its id. */
  async function commit(name: string, architecture: string, file: string): Promise<string> {
    const container = await buildah('from', '--name', name, 'scratch');
    await buildah('copy', container, join(project, file), `/${file}`);
    await buildah('config', '--arch', architecture, '--os', 'linux', '--label', `name=${name}`, container);
    return buildah('commit', '--rm', container, name);
  }

  await t.test('a committed image is pulled as the same image', async () => {
    const id = await commit('amd64', 'amd64', 'package.json');
    await buildah('push', plainHttp, ...creds, 'amd64', `docker://${repository}:amd64`);
    await buildah('rmi', '--all', '--force');
    assert.equal(await buildah('pull', plainHttp, `docker://${repository}:amd64`), id);
  });

  await t.test('an index brings the images of all its platforms, and each can be pulled', async () => {
    await buildah('rmi', '--all', '--force');
    await commit('amd64', 'amd64', 'package.json');
    await commit('arm64', 'arm64', 'tsconfig.json');
    await buildah('manifest', 'create', 'multi');
    await buildah(
      'manifest',
      'add',
      '--arch',
      'amd64',
      '--os',
      'linux',
      'multi',
      'containers-storage:localhost/amd64',
    );
    await buildah(
      'manifest',
      'add',
      '--arch',
      'arm64',
      '--os',
      'linux',
      'multi',
      'containers-storage:localhost/arm64',
    );
    const push = ['manifest', 'push', '--all', '--format', 'oci', plainHttp, ...creds];
    await buildah(...push, 'multi', `docker://${repository}:1.0`);

    const answer = await server.fetch('/v2/library/multi/manifests/1.0', { headers: { accept: indexType } });
    assert.equal(answer.headers.get('content-type'), indexType);
    const { manifests } = (await answer.json()) as {
      manifests: { digest: string; platform: { architecture: string } }[];
    };
    assert.deepEqual(manifests.map(({ platform }) => platform.architecture).toSorted(), ['amd64', 'arm64']);
    for (const { digest, platform } of manifests) {
      const child = await server.fetch(`/v2/library/multi/manifests/${digest}`);
      assert.equal(child.status, 200);
      await buildah('rmi', '--all', '--force');
      const pull = ['pull', plainHttp, '--arch', platform.architecture, `docker://${repository}:1.0`];
      const id = await buildah(...pull);
      const inspected = ['inspect', '--type', 'image', '--format', '{{.OCIv1.Architecture}}', id];
      assert.equal(await buildah(...inspected), platform.architecture);
    }
  });

  await t.test('skopeo copies the whole index to another repository', async () => {
    const target = `docker://${server.registry}/library/copies/multi:1.0`;
    const http = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    const copy = ['copy', '--all', ...http, '--dest-creds', `admin:${server.password}`];
    await tools.run('skopeo', ...copy, `docker://${repository}:1.0`, target);
    const digest = async (name: string) =>
      (await server.fetch(`/v2/library/${name}/manifests/1.0`)).headers.get('docker-content-digest');
    assert.equal(await digest('copies/multi'), await digest('multi'));
    const folder = join(tools.directory, 'index');
    await tools.run('skopeo', 'copy', '--all', '--src-tls-verify=false', target, `dir:${folder}`);
  });
});

test('buildah builds on an image of the registry, and sends only what is new', async (t) => {
  const tools = await startContainerTools(t, ['buildah']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const buildah = async (...args: string[]) => (await tools.run('buildah', ...args)).trim();
  const login = (username: string, password: string) =>
    buildah('login', plainHttp, '-u', username, '-p', password, server.registry);
  const at = (name: string) => `${server.registry}/library/${name}`;
  const layersOf = async (name: string, tag: string): Promise<string[]> => {
    const answer = await server.fetch(`/v2/library/${name}/manifests/${tag}`);
    const { layers } = (await answer.json()) as { layers: { digest: string }[] };
    return layers.map(({ digest }) => digest);
  };
  /** Commits an image on `base` with one file of this project. */
  const commit = async (base: string, file: string, name: string) => {
    const container = await buildah('from', plainHttp, base);
    await buildah('copy', container, join(project, file), `/${file}`);
    await buildah('commit', '--rm', container, name);
  };

  await t.test('a login with the right password succeeds, and with a wrong one does not', async () => {
    await assert.rejects(login('admin', 'wrong'), /unauthorized|invalid username\/password/i);
    await login('admin', server.password);
  });

  await t.test('an image on another has its layers and one more', async () => {
    await commit('scratch', 'package.json', at('base:1.0'));
    await buildah('push', plainHttp, at('base:1.0'));
    await buildah('rmi', '--all', '--force');

    await commit(at('base:1.0'), 'tsconfig.json', at('base:1.1'));
    const told = await tools.tell('buildah', '--log-level', 'debug', 'push', plainHttp, at('base:1.1'));
    const [base = '', ...more] = await layersOf('base', '1.1');
    assert.deepEqual([base], await layersOf('base', '1.0'));
    assert.equal(more.length, 1);
    // The new layer and the config; the layer of the base is found to be there.
    assert.equal([...told.matchAll(/PATCH http/g)].length, 2, told);
    await buildah('rmi', '--all', '--force');
    await buildah('pull', plainHttp, at('base:1.1'));
  });

  await t.test('a guest builds on a public image, and pushes it nowhere', async () => {
    await login(guest.username, guest.password);
    await buildah('rmi', '--all', '--force');
    await commit(at('base:1.0'), 'biome.json', at('mine:1.0'));
    await assert.rejects(buildah('push', plainHttp, at('mine:1.0')), /denied/i);
    await buildah('logout', server.registry);
    await assert.rejects(buildah('push', plainHttp, at('mine:1.0')), /unauthorized|authentication required/i);
  });
});
