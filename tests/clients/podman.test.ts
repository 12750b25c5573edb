import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';

const plainHttp = '--tls-verify=false';

test('podman pulls what it has built and pushed', async (t) => {
  const tools = await startContainerTools(t, ['podman']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const podman = (...args: string[]) => tools.run('podman', ...args);
  const image = `${server.registry}/library/hello:1.0`;
  const context = join(tools.directory, 'context');
  await mkdir(context);
  await writeFile(join(context, 'hello.txt'), 'hello\n');
  await writeFile(
    join(context, 'Dockerfile'),
    'FROM scratch\nCOPY hello.txt /\nCOPY Dockerfile /\nLABEL a=b\n',
  );

  await t.test('a login with the right password succeeds, and with a wrong one does not', async () => {
    await assert.rejects(podman('login', plainHttp, '-u', 'admin', '-p', 'wrong', server.registry));
    await podman('login', plainHttp, '-u', 'admin', '-p', server.password, server.registry);
  });

  let imageId = '';
  await t.test('what was built and pushed can be pulled after it was removed here', async () => {
    await podman('build', '--layers', '-t', image, context);
    imageId = (await podman('image', 'inspect', '--format', '{{.Id}}', image)).trim();
    await podman('push', plainHttp, image);
    await podman('rmi', '--all', '--force');
    assert.equal((await podman('images', '--quiet')).trim(), '');

    await podman('pull', plainHttp, image);
    assert.equal((await podman('image', 'inspect', '--format', '{{.Id}}', image)).trim(), imageId);
    const folder = join(tools.directory, 'exported');
    await mkdir(folder);
    const container = (await podman('create', image, '/none')).trim();
    await podman('cp', `${container}:/hello.txt`, join(folder, 'hello.txt'));
    await podman('rm', container);
    assert.equal(await readFile(join(folder, 'hello.txt'), 'utf8'), 'hello\n');
  });

  await t.test('a second push of the same image leaves the tag where it is', async () => {
    const digest = async () =>
      (
        await server.fetch('/v2/library/hello/manifests/1.0', { method: 'HEAD', headers: accepting })
      ).headers.get('docker-content-digest');
    const before = await digest();
    await podman('push', plainHttp, image);
    assert.equal(await digest(), before);
  });

  await t.test('an image pushed in the Docker format is pulled as the same image', async () => {
    const docker = `${server.registry}/library/hello:docker`;
    await podman('push', plainHttp, '--format', 'v2s2', image, docker);
    await podman('rmi', '--all', '--force');
    await podman('pull', plainHttp, docker);
    const answer = await server.fetch('/v2/library/hello/manifests/docker', { headers: accepting });
    assert.equal(answer.headers.get('content-type'), 'application/vnd.docker.distribution.manifest.v2+json');
  });

  await t.test('after a logout a push is refused, and a public image can still be pulled', async () => {
    await podman('logout', server.registry);
    await podman('pull', plainHttp, image);
    await assert.rejects(podman('push', plainHttp, image), /unauthorized|authentication required/i);
  });
});

test('podman tags, lists and pulls by digest and by platform, and a guest pushes nothing', async (t) => {
  const tools = await startContainerTools(t, ['podman']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const podman = async (...args: string[]) => (await tools.run('podman', ...args)).trim();
  const login = (username: string, password: string) =>
    podman('login', plainHttp, '-u', username, '-p', password, server.registry);
  const at = (name: string) => `${server.registry}/library/${name}`;
  await login('admin', server.password);

  const ids: Record<string, string> = {};
  for (const architecture of ['amd64', 'arm64']) {
    const context = join(tools.directory, architecture);
    await mkdir(context);
    await writeFile(join(context, 'name'), architecture);
    await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY name /\n');
    await podman('build', '--platform', `linux/${architecture}`, '-t', at(`app:${architecture}`), context);
    ids[architecture] = await podman('image', 'inspect', '--format', '{{.Id}}', at(`app:${architecture}`));
  }

  await t.test('a manifest list is pushed with its images, and each platform pulls its own', async () => {
    await podman('manifest', 'create', 'list');
    for (const architecture of ['amd64', 'arm64'])
      await podman('manifest', 'add', 'list', `containers-storage:${at(`app:${architecture}`)}`);
    await podman('manifest', 'push', plainHttp, '--all', 'list', `docker://${at('app:all')}`);
    for (const [architecture, id] of Object.entries(ids)) {
      await podman('rmi', '--all', '--force');
      assert.equal(await podman('pull', plainHttp, '--quiet', '--arch', architecture, at('app:all')), id);
    }
  });

  await t.test('another tag of an image is listed, and the image is pulled by its digest', async () => {
    await podman('tag', at('app:all'), at('app:other'));
    await podman('push', plainHttp, '--digestfile', join(tools.directory, 'digest'), at('app:other'));
    const listed = await podman('search', plainHttp, '--list-tags', '--format', 'json', at('app'));
    assert.deepEqual(JSON.parse(listed), [{ Name: at('app'), Tags: ['all', 'other'] }]);
    const digest = await readFile(join(tools.directory, 'digest'), 'utf8');
    await podman('rmi', '--all', '--force');
    assert.equal(await podman('pull', plainHttp, '--quiet', `${at('app')}@${digest}`), ids.arm64);
  });

  await t.test('a guest pulls, and is told that a push is denied', async () => {
    await login(guest.username, guest.password);
    await podman('pull', plainHttp, '--quiet', '--arch', 'arm64', at('app:other'));
    await podman('tag', at('app:other'), at('mine:1.0'));
    await assert.rejects(podman('push', plainHttp, at('mine:1.0')), /denied/i);
    await assert.rejects(podman('pull', plainHttp, `${server.registry}/secret/app:1.0`), /denied/i);
    await assert.rejects(podman('pull', plainHttp, at('app:none')), /manifest unknown/);
  });
});

const accepting = {
  accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json',
};
