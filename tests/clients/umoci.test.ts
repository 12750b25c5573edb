import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { readLayout } from './layout.ts';

test('umoci changes images, which skopeo takes to the registry and back', async (t) => {
  const tools = await startContainerTools(t, ['umoci', 'skopeo']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const umoci = (...args: string[]) => tools.run('umoci', ...args);
  const creds = ['--dest-tls-verify=false', '--dest-creds', `admin:${server.password}`];
  const push = (from: string, to: string) =>
    tools.run('skopeo', 'copy', '--preserve-digests', ...creds, `oci:${from}`, remote(to));
  const pull = (from: string, to: string) =>
    tools.run('skopeo', 'copy', '--src-tls-verify=false', remote(from), `oci:${to}`);
  const remote = (name: string) => `docker://${server.registry}/library/${name}`;
  const bundle = async (image: string, folder: string) => {
    await umoci('unpack', '--rootless', '--image', image, folder);
    return join(tools.directory, folder, 'rootfs');
  };

  await t.test(
    'an unpacked and repacked image has the files and the settings that it was given',
    async () => {
      await umoci('init', '--layout', 'local');
      await umoci('new', '--image', 'local:1.0');
      const root = await bundle('local:1.0', 'first');
      await mkdir(join(root, 'srv'));
      await writeFile(join(root, 'srv', 'kept'), 'kept');
      await writeFile(join(root, 'srv', 'removed'), 'removed');
      await umoci('repack', '--image', 'local:1.0', 'first');
      await umoci('config', '--image', 'local:1.0', '--config.cmd', '/srv/kept', '--author', 'somebody');
      await push('local:1.0', 'app:1.0');

      await pull('app:1.0', 'pulled:1.0');
      assert.deepEqual((await readdir(join(await bundle('pulled:1.0', 'second'), 'srv'))).toSorted(), [
        'kept',
        'removed',
      ]);
      const told = JSON.parse(await umoci('stat', '--json', '--image', 'pulled:1.0'));
      assert.deepEqual(told, JSON.parse(await umoci('stat', '--json', '--image', 'local:1.0')));
    },
  );

  await t.test('a layer that removes a file is pushed beside those that are there already', async () => {
    await rm(join(tools.directory, 'second', 'rootfs', 'srv', 'removed'));
    await umoci('repack', '--image', 'pulled:1.1', 'second');
    await push('pulled:1.1', 'app:1.1');

    await pull('app:1.1', 'again:1.1');
    const root = await bundle('again:1.1', 'third');
    assert.deepEqual(await readdir(join(root, 'srv')), ['kept']);
    assert.equal(await readFile(join(root, 'srv', 'kept'), 'utf8'), 'kept');
    const { history } = JSON.parse(await umoci('stat', '--json', '--image', 'again:1.1'));
    assert.equal(history.filter((entry: { empty_layer?: boolean }) => !entry.empty_layer).length, 2);
  });

  await t.test('a layout that was pulled in parts holds the same as the one that was pushed', async () => {
    await umoci('rm', '--image', 'pulled:1.0');
    await umoci('gc', '--layout', 'pulled');
    assert.deepEqual(
      await readLayout(join(tools.directory, 'again')),
      await readLayout(join(tools.directory, 'pulled')),
    );
  });
});
