import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';
import { writeImage } from './layout.ts';

const listType = 'application/vnd.docker.distribution.manifest.list.v2+json';
const architectures = ['amd64', 'arm64'];

// What the client does by itself. The engine, which pushes and pulls images, needs more than a test may ask of a
// machine; podman's tests stand for it.
test('the docker client logs in, and makes a list of the images of several platforms', async (t) => {
  const tools = await startContainerTools(t, ['docker', 'skopeo']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  // An engine that may run on this machine is not to be asked.
  const docker = (...args: string[]) => tools.run('docker', '--host', 'unix:///nowhere.sock', ...args);
  const manifest = (command: string, ...args: string[]) => docker('manifest', command, ...args);
  const login = (username: string, password: string) =>
    docker('login', '-u', username, '-p', password, server.registry);
  const at = (name: string) => `${server.registry}/library/${name}`;

  const digests: string[] = [];
  for (const architecture of architectures) {
    const { folder } = await writeImage(join(tools.directory, architecture), { architecture }, architecture);
    const creds = ['--dest-tls-verify=false', '--dest-creds', `admin:${server.password}`];
    const copy = ['copy', '--format', 'v2s2', '--digestfile', 'digest', ...creds];
    await tools.run('skopeo', ...copy, `oci:${folder}:layout`, `docker://${at(`app:${architecture}`)}`);
    digests.push(await readFile(join(tools.directory, 'digest'), 'utf8'));
  }
  const images = architectures.map((architecture) => at(`app:${architecture}`));

  await t.test('a login with the right password succeeds, and with a wrong one does not', async () => {
    await assert.rejects(login('admin', 'wrong'), /401 Unauthorized|unauthorized/);
    assert.match(await login('admin', server.password), /Login Succeeded/);
  });

  await t.test('an image is inspected with its digest and its platform', async () => {
    const told = JSON.parse(await manifest('inspect', '--insecure', '--verbose', at('app:arm64')));
    assert.equal(told.Descriptor.digest, digests[1]);
    assert.equal(told.Descriptor.platform.architecture, 'arm64');
  });

  await t.test('a list of images is pushed, and inspected as it was pushed', async () => {
    await manifest('create', '--insecure', at('app:all'), ...images);
    await manifest(
      'annotate',
      '--os',
      'linux',
      '--arch',
      'arm64',
      '--variant',
      'v8',
      at('app:all'),
      at('app:arm64'),
    );
    const digest = (await manifest('push', '--insecure', '--purge', at('app:all'))).trim();

    const answer = await server.fetch('/v2/library/app/manifests/all', { headers: { accept: listType } });
    assert.equal(answer.headers.get('docker-content-digest'), digest);
    assert.equal(answer.headers.get('content-type'), listType);
    const { manifests } = JSON.parse(await manifest('inspect', '--insecure', at('app:all')));
    assert.deepEqual(
      manifests.map(({ digest, platform }: { digest: string; platform: object }) => ({
        digest,
        ...platform,
      })),
      [
        { digest: digests[0], architecture: 'amd64', os: 'linux' },
        { digest: digests[1], architecture: 'arm64', os: 'linux', variant: 'v8' },
      ],
    );
  });

  await t.test('a list in another repository brings its images along', async () => {
    await manifest('create', '--insecure', at('copies/app:all'), ...images);
    await manifest('push', '--insecure', '--purge', at('copies/app:all'));
    const pull = ['copy', '--all', '--preserve-digests', '--src-tls-verify=false'];
    await tools.run('skopeo', ...pull, `docker://${at('copies/app:all')}`, 'dir:pulled');
    const { manifests } = JSON.parse(
      await readFile(join(tools.directory, 'pulled', 'manifest.json'), 'utf8'),
    );
    assert.deepEqual(
      manifests.map(({ digest }: { digest: string }) => digest),
      digests,
    );
  });

  await t.test('what is not there is said not to be', async () => {
    await assert.rejects(manifest('inspect', '--insecure', at('app:none')), /no such manifest/);
  });

  await t.test('a guest inspects, and does not push', async () => {
    await login(guest.username, guest.password);
    await manifest('inspect', '--insecure', at('app:all'));
    await manifest('create', '--insecure', at('app:mine'), ...images);
    await assert.rejects(manifest('push', '--insecure', '--purge', at('app:mine')), /denied/i);
    await docker('logout', server.registry);
    await assert.rejects(login(guest.username, 'wrong'), /401 Unauthorized|unauthorized/);
  });
});
