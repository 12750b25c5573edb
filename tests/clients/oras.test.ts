import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf, mediaTypes } from '../http/client.ts';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';
import { readLayout, writeIndex } from './layout.ts';

const plainHttp = '--plain-http';
const bothHttp = ['--from-plain-http', '--to-plain-http'];
const chart = 'application/vnd.example.report';
const sbom = 'application/vnd.example.sbom';
const signature = 'application/vnd.example.signature';

interface Referrer {
  readonly digest: string;
  readonly artifactType: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly referrers?: readonly Referrer[];
}

test('oras pushes artifacts and what refers to them, copies and deletes them', async (t) => {
  const tools = await startContainerTools(t, ['oras']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const oras = async (...args: string[]) => (await tools.run('oras', ...args)).trim();
  const login = (username: string, password: string) =>
    oras('login', plainHttp, '-u', username, '-p', password, server.registry);
  const at = (name: string) => `${server.registry}/library/${name}`;
  const report = randomBytes(300_000);
  await writeFile(join(tools.directory, 'report.bin'), report);
  await writeFile(join(tools.directory, 'sbom.json'), '{"packages":[]}');
  await writeFile(join(tools.directory, 'signature.txt'), 'signed');

  const digestIn = (json: string): string => JSON.parse(json).digest;
  const attach = async (type: string, file: string, subject: string, ...more: string[]) =>
    digestIn(
      await oras('attach', plainHttp, '--format', 'json', '--artifact-type', type, ...more, subject, file),
    );
  const referrersOf = async (reference: string, ...more: string[]): Promise<readonly Referrer[]> =>
    JSON.parse(await oras('discover', plainHttp, '--format', 'json', ...more, reference)).referrers;

  await t.test('a login with the right password succeeds, and with a wrong one does not', async () => {
    await assert.rejects(login('admin', 'wrong'), /unauthorized|401/i);
    await assert.rejects(login('nobody', server.password), /unauthorized|401/i);
  });
  await login('admin', server.password);

  let artifact = '';
  await t.test('a pushed file comes back with the same name and bytes', async () => {
    const push = [
      'push',
      plainHttp,
      '--format',
      'json',
      '--artifact-type',
      chart,
      '--annotation',
      'made=today',
    ];
    artifact = digestIn(await oras(...push, at('report:1.0'), 'report.bin:application/octet-stream'));
    assert.equal(await oras('resolve', plainHttp, at('report:1.0')), artifact);
    await oras('pull', plainHttp, '--output', 'pulled', at('report:1.0'));
    assert.ok(report.equals(await readFile(join(tools.directory, 'pulled', 'report.bin'))));
    const manifest = await oras('manifest', 'fetch', plainHttp, at('report:1.0'));
    assert.equal(digestOf(manifest), artifact);
    assert.equal(JSON.parse(manifest).artifactType, chart);
  });

  let sbomDigest = '';
  let signatureDigest = '';
  await t.test('what is attached is discovered, also through several levels and by type', async () => {
    assert.deepEqual(await referrersOf(at('report:1.0')), []);
    sbomDigest = await attach(
      sbom,
      'sbom.json:application/json',
      at('report:1.0'),
      '--annotation',
      'by=oras',
    );
    signatureDigest = await attach(signature, 'signature.txt:text/plain', `${at('report')}@${sbomDigest}`);
    const other = await attach(signature, 'signature.txt:text/plain', at('report:1.0'));

    const found = await referrersOf(at('report:1.0'));
    assert.deepEqual(found.map(({ digest }) => digest).toSorted(), [sbomDigest, other].toSorted());
    const bill = found.find(({ digest }) => digest === sbomDigest);
    assert.equal(bill?.artifactType, sbom);
    assert.equal(bill?.annotations?.by, 'oras');
    assert.deepEqual(
      bill?.referrers?.map(({ digest, artifactType }) => [digest, artifactType]),
      [[signatureDigest, signature]],
    );
    const ofType = await referrersOf(at('report:1.0'), '--artifact-type', signature);
    assert.deepEqual(
      ofType.map(({ digest }) => digest),
      [other],
    );
    assert.deepEqual(
      await oras('repo', 'tags', plainHttp, at('report')),
      '1.0',
      'no tag stands for referrers',
    );
  });

  await t.test('a recursive copy takes along all that refers to it', async () => {
    await oras('cp', '--recursive', ...bothHttp, at('report:1.0'), at('copies/report:1.0'));
    assert.equal(await oras('resolve', plainHttp, at('copies/report:1.0')), artifact);
    assert.equal(digestsBelow(await referrersOf(at('copies/report:1.0'))).length, 3);
    assert.deepEqual(
      digestsBelow(await referrersOf(at('copies/report:1.0'))),
      digestsBelow(await referrersOf(at('report:1.0'))),
    );
  });

  await t.test('an index comes from an OCI layout and goes back into one', async () => {
    const index = await writeIndex(join(tools.directory, 'index'), { 'etc/name': 'oras' });
    await oras('cp', '--from-oci-layout', '--to-plain-http', `${index.folder}:layout`, at('app:all'));
    await oras('cp', '--to-oci-layout', '--from-plain-http', at('app:all'), 'back:all');
    assert.deepEqual(await readLayout(join(tools.directory, 'back')), await readLayout(index.folder));
    assert.equal(
      await oras('resolve', plainHttp, '--platform', 'linux/arm64', at('app:all')),
      index.images[1]?.digest,
    );
  });

  await t.test('tags are set and listed, and so are repositories', async () => {
    await oras('tag', plainHttp, at('report:1.0'), '1', 'latest', 'Z');
    assert.deepEqual((await oras('repo', 'tags', plainHttp, at('report'))).split('\n'), [
      '1',
      '1.0',
      'Z',
      'latest',
    ]);
    assert.deepEqual((await oras('repo', 'ls', plainHttp, `${server.registry}/library/`)).split('\n'), [
      'app',
      'copies/report',
      'report',
    ]);
  });

  await t.test('a blob is pushed, fetched and deleted by its digest', async () => {
    const digest = digestOf('a blob alone');
    await writeFile(join(tools.directory, 'blob'), 'a blob alone');
    await oras('blob', 'push', plainHttp, `${at('blobs')}@${digest}`, 'blob');
    assert.equal(
      await oras('blob', 'fetch', plainHttp, '--output', '-', `${at('blobs')}@${digest}`),
      'a blob alone',
    );
    await oras('blob', 'delete', plainHttp, '--force', `${at('blobs')}@${digest}`);
    await assert.rejects(
      oras('blob', 'fetch', plainHttp, '--output', '-', `${at('blobs')}@${digest}`),
      /not found/,
    );
  });

  await t.test('a manifest is pushed as it is, and a second time is the same', async () => {
    const empty = 'application/vnd.oci.empty.v1+json';
    await writeFile(join(tools.directory, 'empty'), '{}');
    await oras('blob', 'push', plainHttp, `${at('plain')}@${digestOf('{}')}`, 'empty');
    const descriptor = { mediaType: empty, digest: digestOf('{}'), size: 2 };
    const body = {
      schemaVersion: 2,
      mediaType: mediaTypes.image,
      artifactType: chart,
      config: descriptor,
      layers: [descriptor],
    };
    const manifest = JSON.stringify(body, null, 1);
    await writeFile(join(tools.directory, 'manifest.json'), manifest);
    for (const _time of ['first', 'second'])
      await oras('manifest', 'push', plainHttp, at('plain:1.0,1.1'), 'manifest.json');
    assert.equal(await oras('manifest', 'fetch', plainHttp, at('plain:1.1')), manifest);
  });

  await t.test(
    'a deleted referrer is discovered no more, and a deleted subject is gone with its tags',
    async () => {
      const bill = `${at('report')}@${sbomDigest}`;
      await oras('manifest', 'delete', plainHttp, '--force', `${at('report')}@${signatureDigest}`);
      assert.deepEqual(await referrersOf(bill), []);
      await oras('manifest', 'delete', plainHttp, '--force', bill);
      assert.deepEqual(await referrersOf(at('report:1.0'), '--artifact-type', sbom), []);
      await oras('manifest', 'delete', plainHttp, '--force', `${at('report')}@${artifact}`);
      await assert.rejects(oras('manifest', 'fetch', plainHttp, at('report:latest')), /not found/);
      assert.equal(await oras('resolve', plainHttp, at('copies/report:1.0')), artifact);
    },
  );

  await t.test('a guest pulls and discovers, and neither attaches nor deletes', async () => {
    await login(guest.username, guest.password);
    const reference = at('copies/report:1.0');
    await oras('pull', plainHttp, '--output', 'pulled-as-guest', reference);
    assert.equal((await referrersOf(reference)).length, 2);
    await assert.rejects(attach(sbom, 'sbom.json:application/json', reference), /denied|403/i);
    await assert.rejects(oras('manifest', 'delete', plainHttp, '--force', reference), /denied|403/i);
    const push = ['push', plainHttp, `${server.registry}/secret/report:1.0`, 'sbom.json:application/json'];
    await assert.rejects(oras(...push), /denied|403/i);
  });
});

const digestsBelow = (referrers: readonly Referrer[]): string[] =>
  referrers.flatMap(({ digest, referrers = [] }) => [digest, ...digestsBelow(referrers)]).toSorted();
