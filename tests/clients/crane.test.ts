import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';
import { readLayout, tarOf, writeImage, writeIndex } from './layout.ts';

test('crane pushes, copies, changes and deletes', async (t) => {
  const tools = await startContainerTools(t, ['crane']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const crane = async (...args: string[]) => (await tools.run('crane', ...args)).trim();
  const login = (username: string, password: string) =>
    crane('auth', 'login', '-u', username, '-p', password, server.registry);
  const at = (name: string) => `${server.registry}/library/${name}`;
  const image = await writeImage(join(tools.directory, 'image'), {
    'etc/name': 'image',
    'etc/more': 'layers',
  });
  const index = await writeIndex(join(tools.directory, 'index'), { 'etc/name': 'index' });

  let pulls = 0;
  const pull = async (reference: string): Promise<string[]> => {
    const folder = join(tools.directory, `pulled-${++pulls}`);
    await crane('pull', '--format', 'oci', reference, folder);
    return readLayout(folder);
  };

  await t.test('without a login, with a wrong password and as a guest nothing is pushed', async () => {
    await assert.rejects(crane('push', image.folder, at('app:1.0')), /unauthorized/i);
    await login('admin', 'wrong');
    await assert.rejects(crane('push', image.folder, at('app:1.0')), /unauthorized/i);
    await login(guest.username, guest.password);
    await assert.rejects(crane('push', image.folder, at('app:1.0')), /DENIED/);
    await assert.rejects(crane('digest', at('app:1.0')), /404 Not Found/);
  });
  await login('admin', server.password);

  await t.test('an image and an index come back with the same digests and bytes', async () => {
    assert.equal(await crane('push', image.folder, at('app:1.0')), `${at('app')}@${image.digest}`);
    assert.equal(await crane('push', index.folder, at('app:all')), `${at('app')}@${index.digest}`);
    assert.deepEqual(await pull(at('app:1.0')), await readLayout(image.folder));
    assert.deepEqual(await pull(at('app:all')), await readLayout(index.folder));
    assert.equal(await crane('digest', '--platform', 'linux/arm64', at('app:all')), index.images[1]?.digest);
    await crane('validate', '--remote', at('app:1.0'));
    await crane('validate', '--remote', at('app:all'));
  });

  await t.test('the lists tell the tags and the repositories', async () => {
    assert.equal(await crane('ls', at('app')), '1.0\nall');
    assert.deepEqual((await crane('catalog', server.registry)).split('\n'), ['library/app']);
  });

  await t.test('a copy to another repository mounts the blobs, and keeps the digest', async () => {
    const told = await tools.tell('crane', 'copy', at('app:all'), at('copies/deep/app:all'));
    const mounted = [...told.matchAll(/mounted blob: (\S+)/g)].map(([, digest]) => digest);
    const blobs = new Set(
      index.images.flatMap(({ config, layers }) => [config, ...layers]).map(({ digest }) => digest),
    );
    assert.deepEqual(mounted.toSorted(), [...blobs].toSorted(), told);
    assert.doesNotMatch(told, /pushed blob/);
    assert.deepEqual(await pull(at('copies/deep/app:all')), await readLayout(index.folder));
  });

  await t.test('a tag is set without the bytes being sent again', async () => {
    await crane('tag', at('app:1.0'), 'latest');
    assert.equal(await crane('digest', at('app:latest')), image.digest);
    assert.equal(await crane('ls', at('app')), '1.0\nall\nlatest');
  });

  await t.test('labels and a further layer make new images over the same layers', async () => {
    await crane('mutate', '--label', 'made=by crane', '--tag', at('app:labelled'), at('app:1.0'));
    const { config } = JSON.parse(await crane('config', at('app:labelled')));
    assert.deepEqual(config.Labels, { made: 'by crane' });

    const layer = join(tools.directory, 'layer.tar');
    await writeFile(layer, tarOf('etc/appended', 'appended'));
    await crane('append', '--base', at('app:1.0'), '--new_layer', layer, '--new_tag', at('app:appended'));
    const { layers } = JSON.parse(await crane('manifest', at('app:appended')));
    const digests = layers.map(({ digest }: { digest: string }) => digest);
    assert.deepEqual(
      digests.slice(0, -1),
      image.layers.map(({ digest }) => digest),
    );
    await crane('validate', '--remote', at('app:appended'));
    const exported = join(tools.directory, 'exported.tar');
    await crane('export', at('app:appended'), exported);
    const files = await readFile(exported, 'latin1');
    for (const name of ['etc/name', 'etc/more', 'etc/appended']) assert.ok(files.includes(name), name);
  });

  await t.test('a deleted tag is gone, and the image and its other tags stay', async () => {
    await crane('delete', at('app:latest'));
    await assert.rejects(crane('digest', at('app:latest')), /404 Not Found/);
    assert.deepEqual(await pull(at('app:1.0')), await readLayout(image.folder));
  });

  await t.test(
    'an image that is deleted by its digest is gone with its tags, but not from its copy',
    async () => {
      await crane('copy', at('app:1.0'), at('copies/app:1.0'));
      await crane('delete', `${at('app')}@${image.digest}`);
      await assert.rejects(crane('manifest', at('app:1.0')), /MANIFEST_UNKNOWN/);
      await assert.rejects(crane('delete', `${at('app')}@${image.digest}`), /MANIFEST_UNKNOWN/);
      assert.equal(await crane('ls', at('app')), 'all\nappended\nlabelled');
      assert.deepEqual(await pull(at('copies/app:1.0')), await readLayout(image.folder));
    },
  );

  await t.test('a guest pulls, deletes nothing and does not see a private project', async () => {
    await crane('push', image.folder, `${server.registry}/secret/app:1.0`);
    await login(guest.username, guest.password);
    assert.deepEqual(await pull(at('app:all')), await readLayout(index.folder));
    await assert.rejects(crane('delete', at('app:all')), /DENIED/);
    await assert.rejects(crane('pull', `${server.registry}/secret/app:1.0`, 'none.tar'), /DENIED/);
    await crane('auth', 'logout', server.registry);
    assert.deepEqual(await pull(at('app:all')), await readLayout(index.folder));
  });
});
