import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashPassword } from '../../infra/password-hash/argon2.ts';
import { startGateways } from '../gateways.ts';
import {
  codesOf,
  digestOf,
  imageOf,
  pushBlob,
  pushImage,
  putManifest,
  refusalOf,
  send,
  type Target,
} from './client.ts';
import { eventsOf } from './server-log.ts';
import { bearer, tokenFor } from './token-client.ts';

const repository = 'library/shared';
const many = process.env.SHIPLOG_TEST_LONG === undefined ? 200 : 1000;

test('what one gateway has acknowledged is what the other one shows', async (t) => {
  const gateways = await startGateways(t);
  const { one, other } = gateways;
  const manifestAt = (target: Target, reference: string, method = 'GET') =>
    send(target, method, `/v2/${repository}/manifests/${reference}`);
  /** Each in turn, so that what either has kept is put to the test. */
  const turns = (count: number) =>
    Array.from({ length: count }, (_, n) =>
      n % 2 === 0 ? ([one, other] as const) : ([other, one] as const),
    );

  await t.test('a tag that moves', async () => {
    for (const [index, [writes, reads]] of turns(20).entries()) {
      const { digest } = await pushImage(writes, repository, 'moving', `moved-${index}`);
      for (const method of ['GET', 'HEAD'])
        assert.equal((await manifestAt(reads, 'moving', method)).headers['docker-content-digest'], digest);
      assert.equal((await manifestAt(writes, 'moving')).headers['docker-content-digest'], digest);
    }
  });

  await t.test('a rule for immutable tags, and of rivals for a tag that it is for one wins', async () => {
    const rules = '/api/v2.0/projects/library/immutabletagrules';
    for (const [index, [writes, reads]] of turns(4).entries()) {
      const tag = `locked-${index}`;
      await pushImage(reads, repository, tag, 'first');
      const rule = {
        tag_selectors: [{ decoration: 'matches', pattern: `{${tag},rivals-${index}}` }],
        scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: '**' }] },
      };
      const created = await send(writes, 'POST', rules, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(rule),
      });
      assert.equal(created.status, 201);
      const blob = await pushBlob(reads, repository, '{}');
      const push = (to: Target, at: string, mark: string) =>
        putManifest(to, repository, at, imageOf(blob, [blob], { annotations: { mark } }));
      assert.equal((await push(reads, tag, 'second')).status, 412);
      const rivals = await Promise.all(
        turns(6).map(([to], mark) => push(to, `rivals-${index}`, String(mark))),
      );
      assert.deepEqual(rivals.map(({ status }) => status).toSorted(), [201, 412, 412, 412, 412, 412]);
    }
  });

  await t.test('a tag that is deleted, and one that comes where none was', async () => {
    for (const [index, [writes, reads]] of turns(10).entries()) {
      const tag = `tag-${index}`;
      assert.equal((await manifestAt(reads, tag)).status, 404);
      await pushImage(writes, repository, tag);
      assert.equal((await manifestAt(reads, tag)).status, 200);
      assert.equal((await manifestAt(writes, tag, 'DELETE')).status, 202);
      assert.equal((await manifestAt(reads, tag)).status, 404);
      assert.equal((await manifestAt(writes, tag)).status, 404);
    }
  });

  await t.test('a manifest that is deleted, with its tags', async () => {
    for (const [index, [writes, reads]] of turns(10).entries()) {
      const { digest } = await pushImage(writes, repository, 'whole', `deleted-${index}`);
      assert.equal((await manifestAt(reads, digest)).status, 200);
      assert.equal((await manifestAt(reads, 'whole')).status, 200);
      assert.equal((await manifestAt(writes, digest, 'DELETE')).status, 202);
      for (const gateway of [reads, writes])
        for (const reference of [digest, 'whole'])
          assert.deepEqual(refusalOf(await manifestAt(gateway, reference)), [404, 'MANIFEST_UNKNOWN']);
    }
  });

  await t.test('a blob that is deleted, and uploaded again', async () => {
    for (const [index, [writes, reads]] of turns(10).entries()) {
      const { digest } = await pushBlob(writes, repository, `blob-${index}`);
      const path = `/v2/${repository}/blobs/${digest}`;
      assert.equal((await send(reads, 'GET', path)).status, 200);
      assert.equal((await send(writes, 'DELETE', path)).status, 202);
      assert.deepEqual(refusalOf(await send(reads, 'GET', path)), [404, 'BLOB_UNKNOWN']);
      await pushBlob(writes, repository, `blob-${index}`);
      assert.equal((await send(reads, 'GET', path)).body.toString(), `blob-${index}`);
    }
  });

  await t.test('a project that becomes private, and public again', async () => {
    await pushImage(one, repository, 'public');
    const anonymously = (target: Target) =>
      send(target, 'GET', `/v2/${repository}/manifests/public`, { as: '' });
    for (const isPublic of [true, false, true, false, true]) {
      const data = { name: 'library', projectId: 1, public: isPublic, metadata: {} };
      await gateways.record('project/library', { type: 'ProjectMetadataChanged', data });
      for (const gateway of [one, other])
        assert.equal((await anonymously(gateway)).status, isPublic ? 200 : 401, `public: ${isPublic}`);
    }
  });

  await t.test('a user with another role, another password, or gone, also for who has a token', async () => {
    const at = { username: 'jane', userId: 70 };
    const hashes = [await hashPassword('before'), await hashPassword('after')];
    const user = (type: string, more: object) =>
      gateways.record('user/jane', { type, data: { ...at, ...more } });
    await user('UserCreated', {
      administrator: false,
      passwordHash: hashes[0],
      emailKey: null,
      profile: null,
    });
    const push = (target: Target, as: string) =>
      send(target, 'POST', `/v2/${repository}/blobs/uploads/`, { as });
    const statuses = async (as: string) => [(await push(one, as)).status, (await push(other, as)).status];
    assert.deepEqual(await statuses('jane:before'), [403, 403]);

    const entity = { entityType: 'user', entityId: 70, entityName: 'jane' };
    const membership = { memberId: 70, projectId: 1, project: 'library', ...entity };
    await gateways.record('member/1/70', {
      type: 'MemberAdded',
      data: { ...membership, role: 'developer' },
    });
    assert.deepEqual(await statuses('jane:before'), [202, 202]);
    const token = await tokenFor(one, repository, 'pull,push', 'jane:before');
    const withToken = async () => {
      const upload = { ...bearer(token), body: '' };
      const answers = [one, other].map((each) =>
        send(each, 'POST', `/v2/${repository}/blobs/uploads/`, upload),
      );
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    assert.deepEqual(await withToken(), [202, 202]);

    await gateways.record('member/1/70', { type: 'MemberRemoved', data: membership });
    assert.deepEqual(await statuses('jane:before'), [403, 403]);
    await user('UserPasswordChanged', { passwordHash: hashes[1] });
    assert.deepEqual(await withToken(), [401, 401], 'it is the token of another password');
    assert.deepEqual(await statuses('jane:after'), [403, 403]);
    await user('UserDeleted', {});
    assert.deepEqual(await statuses('jane:after'), [401, 401]);
  });

  await t.test('that most of it was answered from memory', async () => {
    for (const gateway of [one, other]) {
      const metrics = await (await gateway.fetch('/metrics')).text();
      const [, kept] = /shiplog_cache_reads_total\{answer="kept"\} (\d+)/.exec(metrics) ?? [];
      assert.ok(Number(kept) > 100, `${kept} of ${gateway.url}`);
    }
  });
});

test(`${many} pushes of one tag at once through two gateways are all accepted, and both show the last`, async (t) => {
  const { one, other, openLog } = await startGateways(t);
  const blob = await pushBlob(one, repository, '{}');
  const manifests = Array.from({ length: many }, (_, index) =>
    imageOf(blob, [blob], { annotations: { index: String(index) } }),
  );
  const answers = await Promise.all(
    manifests.map((manifest, index) =>
      putManifest(index % 2 === 0 ? one : other, repository, 'contested', manifest),
    ),
  );
  const refused = answers.filter(({ status }) => status !== 201);
  assert.deepEqual(
    refused.map((answer) => [answer.status, codesOf(answer)]),
    [],
  );
  const events = await eventsOf(await openLog(), `tag/${repository}:contested`);
  const where = events.map(({ data }) => data.digest);
  assert.equal(where.length, many, 'one event for each accepted push');
  assert.deepEqual(new Set(where), new Set(manifests.map((manifest) => digestOf(manifest))));
  for (const gateway of [one, other]) {
    const { headers } = await send(gateway, 'HEAD', `/v2/${repository}/manifests/contested`);
    assert.equal(headers['docker-content-digest'], where.at(-1));
  }
});

test('100 first pushes into a new repository at once through two gateways are all there', async (t) => {
  const { one, other } = await startGateways(t);
  const gatewayOf = (index: number) => (index % 2 === 0 ? one : other);
  const pushed = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      pushImage(gatewayOf(index), 'library/new', `tag-${index}`, `mark-${index}`),
    ),
  );
  for (const [index, { digest }] of pushed.entries()) {
    const { headers } = await send(gatewayOf(index + 1), 'HEAD', `/v2/library/new/manifests/tag-${index}`);
    assert.equal(headers['docker-content-digest'], digest);
  }
  for (const gateway of [one, other]) {
    const list = await send(gateway, 'GET', '/v2/library/new/tags/list');
    assert.equal(JSON.parse(list.body.toString()).tags.length, 100);
  }
});

test('a setting that one gateway has changed counts at the other one at once', async (t) => {
  const { one, other } = await startGateways(t);
  const change = (target: Target, settings: object) =>
    send(target, 'PUT', '/api/v2.0/configurations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(settings),
    });
  for (const [writes, reads] of [
    [one, other],
    [other, one],
    [one, other],
  ] as const) {
    const upload = () => send(reads, 'POST', `/v2/${repository}/blobs/uploads/`);
    assert.equal((await upload()).status, 202);
    assert.equal((await change(writes, { read_only: true })).status, 200);
    assert.equal((await upload()).status, 403);
    assert.equal((await change(writes, { read_only: false })).status, 200);
  }

  // Both at once, on the one stream: neither loses what the other one has set.
  await Promise.all([
    change(one, { oidc_name: 'provider', ldap_timeout: 7 }),
    change(other, { ldap_filter: '(a=b)' }),
    change(one, { session_timeout: 9 }),
  ]);
  const { body } = await send(other, 'GET', '/api/v2.0/configurations');
  const items = JSON.parse(body.toString());
  assert.deepEqual(
    ['oidc_name', 'ldap_timeout', 'ldap_filter', 'session_timeout'].map((name) => items[name].value),
    ['provider', 7, '(a=b)', 9],
  );
});
