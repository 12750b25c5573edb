import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf, mediaTypes } from '../http/client.ts';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';

const plainHttp = '--plain-http';
const notes =
  'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: {{ .Release.Name }}-notes }\ndata: { a: b }\n';

test('helm pushes charts and installs what it pulls', async (t) => {
  const tools = await startContainerTools(t, ['helm']);
  if (tools === undefined) return;
  const { directory } = tools;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const helm = (...args: string[]) => tools.tell('helm', ...args);
  const login = (username: string, password: string) =>
    helm('registry', 'login', plainHttp, '-u', username, '-p', password, server.registry);
  const charts = `oci://${server.registry}/library/charts`;

  /** Packages a chart of this version; resolves to the file's name. */
  async function pack(version: string): Promise<string> {
    const folder = join(directory, 'chart');
    await mkdir(join(folder, 'templates'), { recursive: true });
    await writeFile(
      join(folder, 'Chart.yaml'),
      `apiVersion: v2\nname: notes\nversion: ${version}\ndescription: Notes\n`,
    );
    await writeFile(join(folder, 'values.yaml'), 'answer: 42\n');
    await writeFile(join(folder, 'templates', 'notes.yaml'), notes);
    await helm('package', folder);
    return `notes-${version}.tgz`;
  }

  await t.test('a login with the right password succeeds, and with a wrong one does not', async () => {
    await assert.rejects(login('admin', 'wrong'), /unauthorized|401/i);
    assert.match(await login('admin', server.password), /Login Succeeded/);
  });

  const first = await pack('1.0.0');
  // Its version has a character that no tag may have; helm writes `_` for it.
  const second = await pack('1.1.0+build.7');

  await t.test('a pushed chart is pulled as the same file', async () => {
    const pushed = await helm('push', plainHttp, first, charts);
    const digest = /Digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1];
    assert.match(
      await helm('pull', plainHttp, `${charts}/notes`, '--version', '1.0.0', '-d', directory),
      new RegExp(`Digest: ${digest}`),
    );
    const chart = await readFile(join(directory, first));
    const answer = await server.fetch('/v2/library/charts/notes/manifests/1.0.0', {
      headers: { accept: mediaTypes.image },
    });
    const manifest = await answer.text();
    assert.equal(digestOf(manifest), digest);
    const { config, layers } = JSON.parse(manifest);
    assert.equal(config.mediaType, 'application/vnd.cncf.helm.config.v1+json');
    assert.equal(layers[0].digest, digestOf(chart));

    const folder = join(directory, 'pulled');
    await mkdir(folder);
    await helm('pull', plainHttp, `${charts}/notes@${digest}`, '-d', folder);
    const [name = ''] = await readdir(folder);
    assert.ok(chart.equals(await readFile(join(folder, name))));
  });

  await t.test('the newest version that fits a range is taken from the tags', async () => {
    await helm('push', plainHttp, second, charts);
    const newest = await helm('show', 'chart', plainHttp, `${charts}/notes`, '--version', '^1.0.0');
    assert.match(newest, /^version: 1\.1\.0\+build\.7$/m);
    const older = await helm('show', 'chart', plainHttp, `${charts}/notes`, '--version', '<1.1.0');
    assert.match(older, /^version: 1\.0\.0$/m);
    assert.match(await helm('show', 'values', plainHttp, `${charts}/notes`), /answer: 42/);
  });

  await t.test('a chart is rendered from the registry', async () => {
    const rendered = await helm('template', plainHttp, 'release', `${charts}/notes`, '--version', '1.0.0');
    assert.match(rendered, /name: release-notes/);
  });

  await t.test('a chart or a version that is not there is said not to be', async () => {
    await assert.rejects(helm('pull', plainHttp, `${charts}/none`, '--version', '1.0.0'), /not found/i);
    await assert.rejects(helm('pull', plainHttp, `${charts}/notes`, '--version', '9.9.9'), /not found/i);
  });

  await t.test('a guest pulls, and does not push', async () => {
    await login(guest.username, guest.password);
    await helm('pull', plainHttp, `${charts}/notes`, '--version', '1.0.0', '-d', directory);
    await assert.rejects(helm('push', plainHttp, first, charts), /denied|403/i);
    await assert.rejects(
      helm('pull', plainHttp, `oci://${server.registry}/secret/notes`, '--version', '1.0.0'),
      /denied|403/i,
    );
    await helm('registry', 'logout', server.registry);
    await assert.rejects(helm('push', plainHttp, first, charts), /unauthorized|credential/i);
  });
});
