import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf, send } from '../http/client.ts';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';
import { readLayout, writeIndex } from './layout.ts';

const signature = 'application/vnd.example.signature';
const sbom = 'application/vnd.example.sbom';

test('regctl pushes in chunks, copies with referrers and deletes', async (t) => {
  const tools = await startContainerTools(t, ['regctl']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const regctl = async (...args: string[]) => (await tools.run('regctl', ...args)).trim();
  const login = (username: string, password: string) =>
    tools.tell('regctl', 'registry', 'login', server.registry, '-u', username, '-p', password);
  const at = (name: string) => `${server.registry}/library/${name}`;
  const index = await writeIndex(join(tools.directory, 'index'), { 'etc/name': 'regctl' });
  const layout = `ocidir://${index.folder}:layout`;

  const attach = async (type: string, contents: string, subject: string) => {
    const put = [
      'artifact',
      'put',
      '--artifact-type',
      type,
      '--subject',
      subject,
      '--format',
      '{{.Manifest.GetDescriptor.Digest}}',
    ];
    return (await tools.feed(contents, 'regctl', ...put)).trim();
  };
  const referrersOf = async (reference: string, ...more: string[]): Promise<string[]> => {
    const list = await regctl(
      'artifact',
      'list',
      ...more,
      '--format',
      '{{range .Descriptors}}{{println .Digest}}{{end}}',
      reference,
    );
    return list.split('\n').filter(Boolean).toSorted();
  };

  await regctl(
    'registry',
    'set',
    '--skip-check',
    '--tls',
    'disabled',
    '--blob-chunk',
    '100000',
    '--blob-max',
    '100000',
    server.registry,
  );

  await t.test('a login with the right password succeeds, and with a wrong one does not', async () => {
    await assert.rejects(login('admin', 'wrong'), /unauthorized/i);
    await login('admin', server.password);
  });

  await t.test('a blob that is sent in chunks, each with its range, comes back the same', async () => {
    const blob = randomBytes(350_000);
    const told = await tools.feed(blob, 'regctl', '--verbosity', 'trace', 'blob', 'put', at('blobs'));
    const ranges = [...told.matchAll(/Content-Range:\[(\d+-\d+)\]/g)].map(([, range]) => range);
    assert.deepEqual(ranges, ['0-99999', '100000-199999', '200000-299999', '300000-349999'], told);
    const digest = digestOf(blob);
    assert.ok(told.includes(digest), told);
    assert.match(await regctl('blob', 'head', at('blobs'), digest), /350000/);
    const path = `/v2/library/blobs/blobs/${digest}`;
    assert.ok(blob.equals((await send(server, 'GET', path)).body));
    await regctl('blob', 'copy', at('blobs'), at('copies/blobs'), digest);
    await regctl('blob', 'delete', at('blobs'), digest);
    await assert.rejects(regctl('blob', 'head', at('blobs'), digest), /not found/i);
    await regctl('blob', 'head', at('copies/blobs'), digest);
  });

  await t.test('an index is copied in and out again with the same digests and bytes', async () => {
    await regctl('image', 'copy', layout, at('app:1.0'));
    assert.equal(await regctl('image', 'digest', at('app:1.0')), index.digest);
    assert.equal(
      await regctl('image', 'digest', '--platform', 'linux/arm64', at('app:1.0')),
      index.images[1]?.digest,
    );
    await regctl('image', 'copy', at('app:1.0'), 'ocidir://back:1.0');
    assert.deepEqual(await readLayout(join(tools.directory, 'back')), await readLayout(index.folder));
  });

  await t.test('referrers are listed, filtered, and copied together with what they refer to', async () => {
    assert.deepEqual(await referrersOf(at('app:1.0')), []);
    const signed = await attach(signature, 'signed', at('app:1.0'));
    const bill = await attach(sbom, '{}', at('app:1.0'));
    const signedBill = await attach(signature, 'signed bill', `${at('app')}@${bill}`);
    assert.deepEqual(await referrersOf(at('app:1.0')), [signed, bill].toSorted());
    assert.deepEqual(await referrersOf(at('app:1.0'), '--filter-artifact-type', sbom), [bill]);

    await regctl('image', 'copy', '--referrers', at('app:1.0'), at('copies/app:1.0'));
    assert.deepEqual(await referrersOf(at('copies/app:1.0')), [signed, bill].toSorted());
    assert.deepEqual(await referrersOf(`${at('copies/app')}@${bill}`), [signedBill]);
    const tree = await regctl('artifact', 'tree', at('copies/app:1.0'));
    for (const digest of [index.digest, signed, bill, signedBill]) assert.ok(tree.includes(digest), tree);
    assert.equal(await regctl('tag', 'ls', at('copies/app')), '1.0', 'no tag stands for referrers');

    await regctl('manifest', 'delete', `${at('app')}@${signed}`);
    assert.deepEqual(await referrersOf(at('app:1.0')), [bill]);
    assert.deepEqual(await referrersOf(at('copies/app:1.0')), [signed, bill].toSorted());
  });

  await t.test('tags are listed in pages', async () => {
    for (const tag of ['1.1', '2.0', 'latest'])
      await regctl('image', 'copy', at('app:1.0'), at(`app:${tag}`));
    assert.equal(await regctl('tag', 'ls', at('app')), '1.0\n1.1\n2.0\nlatest');
    assert.equal(await regctl('tag', 'ls', '--limit', '2', at('app')), '1.0\n1.1');
    assert.equal(await regctl('tag', 'ls', '--limit', '2', '--last', '1.1', at('app')), '2.0\nlatest');
    // As with Harbor, a repository with blobs alone is none yet.
    assert.equal(await regctl('repo', 'ls', server.registry), 'library/app\nlibrary/copies/app');
  });

  await t.test('a deleted tag leaves the other tags of the same manifest where they are', async () => {
    await regctl('tag', 'delete', at('app:latest'));
    await assert.rejects(regctl('image', 'digest', at('app:latest')), /not found/i);
    assert.equal(await regctl('image', 'digest', at('app:2.0')), index.digest);
    assert.equal(await regctl('tag', 'ls', at('app')), '1.0\n1.1\n2.0');
    await assert.rejects(regctl('tag', 'delete', at('app:never')), /not found/i);
  });

  await t.test('a guest reads, and neither pushes nor deletes', async () => {
    await login(guest.username, guest.password);
    assert.equal(await regctl('image', 'digest', at('app:1.0')), index.digest);
    await assert.rejects(regctl('image', 'copy', layout, at('other:1.0')), /denied|forbidden|403/i);
    await assert.rejects(regctl('image', 'copy', at('app:1.0'), at('other:1.0')), /denied|forbidden|403/i);
    await assert.rejects(regctl('tag', 'delete', at('app:1.0')), /denied|forbidden|403/i);
    await assert.rejects(regctl('tag', 'ls', `${server.registry}/secret/app`), /denied|forbidden|403/i);
  });
});
