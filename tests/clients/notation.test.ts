import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';
import { createGuest } from './guest.ts';
import { writeIndex } from './layout.ts';

const plainHttp = '--insecure-registry';

test('notation signs and verifies by the referrers API', async (t) => {
  const tools = await startContainerTools(t, ['notation', 'crane']);
  if (tools === undefined) return;
  const server = await startServer(t);
  const guest = await createGuest(server);
  const notation = (...args: string[]) => tools.tell('notation', ...args);
  const as = (username: string, password: string) => ['--username', username, '--password', password];
  const admin = as('admin', server.password);
  const repository = `${server.registry}/library/signed`;
  const push = async (name: string) => {
    const index = await writeIndex(join(tools.directory, name), { 'etc/name': name });
    const login = ['auth', 'login', '-u', 'admin', '-p', server.password, server.registry];
    await tools.run('crane', ...login);
    await tools.run('crane', 'push', index.folder, `${repository}:${name}`);
    return `${repository}@${index.digest}`;
  };
  const image = await push('one');
  const unsigned = await push('two');

  await notation('cert', 'generate-test', '--default', 'shiplog.example');
  const policy = {
    version: '1.0',
    trustPolicies: [
      {
        name: 'tests',
        registryScopes: ['*'],
        signatureVerification: { level: 'strict' },
        trustStores: ['ca:shiplog.example'],
        trustedIdentities: ['*'],
      },
    ],
  };
  await writeFile(join(tools.directory, 'policy.json'), JSON.stringify(policy));
  await notation('policy', 'import', '--force', 'policy.json');

  await t.test('a wrong password and a guest sign nothing', async () => {
    await assert.rejects(notation('sign', plainHttp, ...as('admin', 'wrong'), image), /unauthorized|401/i);
    await assert.rejects(
      notation('sign', plainHttp, ...as(guest.username, guest.password), image),
      /denied|403/i,
    );
    assert.match(await notation('list', plainHttp, ...admin, image), /no associated signature/i);
  });

  await t.test('what was not signed is not verified', async () => {
    await assert.rejects(notation('verify', plainHttp, ...admin, unsigned), /no signature is associated/i);
  });

  for (const [format, mediaType] of [
    ['jws', 'application/jose+json'],
    ['cose', 'application/cose'],
  ] as const) {
    await t.test(`a signature in the format ${format} is listed, and verified also by a guest`, async () => {
      const sign = ['sign', plainHttp, ...admin, '--force-referrers-tag=false', '--signature-format', format];
      assert.match(await notation(...sign, image), /Successfully signed/);
      const verify = ['verify', plainHttp, ...as(guest.username, guest.password)];
      assert.match(await notation(...verify, image), /Successfully verified/);
      const inspected = await notation('inspect', plainHttp, ...admin, '--output', 'json', image);
      assert.ok(inspected.includes(`"${mediaType}"`), inspected);
    });
  }

  await t.test('both signatures are referrers of the index, and no tag stands for them', async () => {
    const list = await notation('list', plainHttp, ...admin, image);
    assert.equal([...list.matchAll(/sha256:[0-9a-f]{64}/g)].length, 3, list);
    assert.equal((await tools.run('crane', 'ls', repository)).trim(), 'one\ntwo');
  });

  await t.test(
    'a signature by the referrers tag, as older registries need it, is verified as well',
    async () => {
      const sign = ['sign', plainHttp, ...admin, '--force-referrers-tag=true'];
      assert.match(await notation(...sign, unsigned), /Successfully signed/);
      assert.match(await notation('verify', plainHttp, ...admin, unsigned), /Successfully verified/);
    },
  );
});
