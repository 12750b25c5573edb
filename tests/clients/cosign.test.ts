import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';
import { writeIndex } from './layout.ts';

/** A log of signatures is a service on the internet; the tests have none. */
const offline = ['--use-signing-config=false', '--tlog-upload=false', '--yes'];
const publicKey = ['--key', 'cosign.pub', '--insecure-ignore-tlog'];
const privateKey = ['--key', 'cosign.key'];

test('cosign signs and attests, and verifies what it has signed', async (t) => {
  const tools = await startContainerTools(t, ['cosign', 'crane']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const cosign = (...args: string[]) => tools.tell('cosign', ...args);
  const login = (username: string, password: string) =>
    cosign('login', '-u', username, '-p', password, server.registry);
  const repository = `${server.registry}/library/signed`;
  const tags = async () => (await tools.run('crane', 'ls', repository)).trim().split('\n');
  const push = async (name: string) => {
    const index = await writeIndex(join(tools.directory, name), { 'etc/name': name });
    await tools.run('crane', 'push', index.folder, `${repository}:${name}`);
    return { reference: `${repository}@${index.digest}`, tag: index.digest.replace(':', '-'), ...index };
  };
  await login('admin', server.password);
  const image = await push('one');
  const older = await push('two');
  await cosign('generate-key-pair');

  await t.test('a wrong password and a guest sign nothing', async () => {
    await login('admin', 'wrong');
    await assert.rejects(cosign('sign', ...privateKey, ...offline, image.reference), /unauthorized/i);
    await login(guest.username, guest.password);
    await assert.rejects(cosign('sign', ...privateKey, ...offline, image.reference), /denied/i);
    await assert.rejects(cosign('verify', ...publicKey, image.reference), /no (matching )?signatures/i);
  });
  await login('admin', server.password);

  await t.test('a signature is a referrer, and is verified with the right key alone', async () => {
    await cosign('sign', ...privateKey, ...offline, image.reference);
    assert.match(await cosign('verify', ...publicKey, image.reference), new RegExp(image.digest));
    assert.match(await cosign('verify', ...publicKey, `${repository}:one`), new RegExp(image.digest));
    await cosign('generate-key-pair', '--output-key-prefix', 'other');
    await assert.rejects(cosign('verify', '--key', 'other.pub', '--insecure-ignore-tlog', image.reference));
    await assert.rejects(cosign('verify', ...publicKey, older.reference), /no (matching )?signatures/i);
    assert.deepEqual(await tags(), ['one', 'two']);
  });

  await t.test('each image of an index is signed where that is asked for', async () => {
    await cosign('sign', ...privateKey, ...offline, '--recursive', older.reference);
    for (const { digest } of older.images) {
      assert.match(await cosign('verify', ...publicKey, `${repository}@${digest}`), new RegExp(digest));
    }
  });

  await t.test('an attestation is verified, and shown in the tree with the signature', async () => {
    await writeFile(
      join(tools.directory, 'predicate.json'),
      '{"SPDXID":"SPDXRef-DOCUMENT","spdxVersion":"SPDX-2.3"}',
    );
    const attest = [
      'attest',
      ...privateKey,
      ...offline,
      '--type',
      'spdxjson',
      '--predicate',
      'predicate.json',
    ];
    await cosign(...attest, image.reference);
    const verified = await cosign('verify-attestation', ...publicKey, '--type', 'spdxjson', image.reference);
    assert.match(verified, /"payloadType":"application\/vnd\.in-toto\+json"/);
    await assert.rejects(cosign('verify-attestation', ...publicKey, '--type', 'vuln', image.reference));
    const tree = await cosign('tree', image.reference);
    assert.match(tree, /cosign\/sign\/v1 artifacts via OCI referrer/);
    assert.match(tree, /spdx\.dev\/Document artifacts via OCI referrer/);
  });

  await t.test('what older versions wrote as tags is found as well', async () => {
    await cosign('sign', ...privateKey, ...offline, '--new-bundle-format=false', image.reference);
    await cosign('attach', 'sbom', '--sbom', 'predicate.json', '--type', 'spdx', image.reference);
    assert.deepEqual(await tags(), ['one', `${image.tag}.sbom`, `${image.tag}.sig`, 'two']);
    assert.match(
      await cosign('verify', ...publicKey, '--new-bundle-format=false', image.reference),
      new RegExp(image.digest),
    );
    assert.match(await cosign('download', 'sbom', image.reference), /"spdxVersion":"SPDX-2\.3"/);
  });

  await t.test('a guest verifies', async () => {
    await login(guest.username, guest.password);
    assert.match(await cosign('verify', ...publicKey, image.reference), new RegExp(image.digest));
  });
  await login('admin', server.password);

  await t.test('all signatures of an image are removed, and the image stays', async () => {
    await cosign('clean', '--force', image.reference);
    await assert.rejects(cosign('verify', ...publicKey, image.reference), /no (matching )?signatures/i);
    assert.deepEqual(await tags(), ['one', 'two']);
    assert.equal((await tools.run('crane', 'digest', `${repository}:one`)).trim(), image.digest);
  });
});
