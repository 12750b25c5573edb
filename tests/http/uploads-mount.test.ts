import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, addPrivateProject, addUser } from './accounts.ts';
import { type Answer, digestOf, header, lastingHeaders, pushBlob, refusalOf, send } from './client.ts';
import { decidedSince, eventsOf, openLogOf } from './server-log.ts';
import { askToken, bearer } from './token-client.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
const bytes = randomBytes(1000);
const { digest } = await pushBlob(server, 'library/source', bytes);
const uploadsOf = (repository: string) => `/v2/${repository}/blobs/uploads/`;
const mountInto = (repository: string, query: string, as?: string) =>
  send(server, 'POST', `${uploadsOf(repository)}?${query}`, as === undefined ? {} : { as });
const holds = async (repository: string, of = digest) =>
  (await send(server, 'HEAD', `/v2/${repository}/blobs/${of}`)).status === 200;

function isMounted(answer: Answer, repository: string): void {
  assert.equal(answer.status, 201, answer.body.toString());
  assert.equal(answer.headers.location, `/v2/${repository}/blobs/${digest}`);
  assert.equal(answer.headers['docker-content-digest'], digest);
  assert.deepEqual([answer.headers['content-length'], answer.body.length], ['0', 0]);
}

/** An upload was opened instead, and works. */
async function isUpload(answer: Answer, repository: string): Promise<void> {
  assert.equal(answer.status, 202, answer.body.toString());
  const location = header(answer, 'location');
  assert.match(location, new RegExp(`^${uploadsOf(repository)}[0-9a-f-]{36}$`));
  assert.equal(answer.headers['docker-upload-uuid'], location.split('/').at(-1));
  assert.equal(answer.headers.range, '0-0');
  const own = randomBytes(10);
  const put = await send(server, 'PUT', `${location}?digest=${digestOf(own)}`, { body: own });
  assert.equal(put.status, 201);
}

test('a blob that another repository holds is mounted, and can be read at once', async () => {
  isMounted(await mountInto('library/target', `mount=${digest}&from=library/source`), 'library/target');
  const { status, body } = await send(server, 'GET', `/v2/library/target/blobs/${digest}`);
  assert.deepEqual([status, body], [200, bytes]);
});

test('what was mounted is deleted in one repository, and stays in the other, whichever goes first', async () => {
  const remove = (repository: string, of: string) => send(server, 'DELETE', `/v2/${repository}/blobs/${of}`);
  for (const [first, second] of [
    ['library/original', 'library/copy'],
    ['library/copy', 'library/original'],
  ] as const) {
    const { digest: of } = await pushBlob(server, 'library/original', `${first} goes first`);
    await mountInto('library/copy', `mount=${of}&from=library/original`);
    assert.equal((await remove(first, of)).status, 202);
    assert.deepEqual([await holds(first, of), await holds(second, of)], [false, true]);
    assert.equal((await remove(second, of)).status, 202);
    assert.equal(await holds(second, of), false);
  }
});

test('what was mounted can be mounted on, and mounting it again changes nothing', async () => {
  await mountInto('library/first', `mount=${digest}&from=library/source`);
  isMounted(await mountInto('library/second', `mount=${digest}&from=library/first`), 'library/second');
  const before = await log.head();
  isMounted(await mountInto('library/second', `mount=${digest}&from=library/source`), 'library/second');
  assert.deepEqual(await decidedSince(log, before), []);
});

test('a mount is recorded with who did it, and stores no bytes', async () => {
  await mountInto('library/recorded', `mount=${digest}&from=library/source`);
  const events = await eventsOf(log, `blob/${digest}`);
  const linked = events.filter(({ data }) => data.repository === 'library/recorded');
  assert.deepEqual(
    linked.map(({ type, metadata }) => [type, metadata.actor]),
    [['BlobLinked', 'user:admin']],
  );
  assert.equal(events.filter(({ type }) => type === 'BlobStored').length, 1);
});

test('a repository may mount from itself what it holds', async () => {
  isMounted(await mountInto('library/source', `mount=${digest}&from=library/source`), 'library/source');
});

test('a blob of sha512 is mounted under that name', async () => {
  const sha512 = digestOf(bytes, 'sha512');
  await send(server, 'POST', `${uploadsOf('library/long')}?digest=${sha512}`, { body: bytes });
  const answer = await mountInto('library/target', `mount=${sha512}&from=library/long`);
  assert.deepEqual([answer.status, answer.headers['docker-content-digest']], [201, sha512]);
  assert.ok(await holds('library/target', sha512));
});

const elsewhere: Readonly<Record<string, string>> = {
  'a repository that has not the blob': 'from=library/empty',
  'itself, which has not the blob': 'from=library/none',
  'a project that does not exist': 'from=nowhere/at-all',
  'an empty name': 'from=',
  'a path': 'from=../etc',
  'an encoded path': 'from=%2e%2e%2fetc%2fpasswd',
  'a name with a NUL': 'from=library/source%00',
  'a name in upper case': 'from=Library/source',
  'a name of 300 characters': `from=library/${'a'.repeat(300)}`,
  'two repositories': 'from=library/source&from=library/source',
};
for (const [source, from] of Object.entries(elsewhere)) {
  test(`a mount from ${source} opens an upload, and the blob is not there`, async () => {
    await isUpload(await mountInto('library/none', `mount=${digest}&${from}`), 'library/none');
    assert.equal(await holds('library/none'), false);
  });
}

for (const bad of ['sha256:abc', '', 'latest', `${digest}&mount=${digest}`, `md5:${'a'.repeat(32)}`]) {
  test(`a mount of ${bad.slice(0, 20)} is refused, since it is no digest`, async () => {
    const answer = await mountInto('library/none', `mount=${bad}&from=library/source`);
    assert.deepEqual(refusalOf(answer), [400, 'DIGEST_INVALID']);
  });
}

test('a mount counts more than the digest of a body beside it', async () => {
  const query = `mount=${digest}&from=library/source&digest=${digestOf('other')}`;
  isMounted(await mountInto('library/both', query), 'library/both');
  const unknown = digestOf('never pushed');
  const answer = await mountInto('library/both', `mount=${unknown}&from=library/source&digest=${digest}`);
  await isUpload(answer, 'library/both');
});

test('a mount that names no repository takes the blob from any that the account may read', async () => {
  isMounted(await mountInto('library/anywhere', `mount=${digest}`), 'library/anywhere');
  await isUpload(await mountInto('library/nowhere', `mount=${digestOf('nobody has it')}`), 'library/nowhere');
});

test('who may not push may not mount', async () => {
  const answer = await mountInto('library/other', `mount=${digest}&from=library/source`, '');
  assert.deepEqual(refusalOf(answer), [401, 'UNAUTHORIZED']);
  assert.equal(await holds('library/other'), false);
});

test('a mount from what the account may not read tells no more than one from what is not there', async () => {
  await addPrivateProject({ after }, server, { name: 'secret', projectId: 50 });
  const as = await addUser({ after }, server, { username: 'dev', userId: 50, administrator: false });
  const entity = { entityType: 'user', entityId: 50, entityName: 'dev' } as const;
  const member = { memberId: 51, projectId: 1, project: 'library', ...entity };
  await addMember({ after }, server, { ...member, role: 'developer', as });
  const hidden = await pushBlob(server, 'secret/source', 'only in secret');

  const of = async (from: string) => {
    const answer = await mountInto('library/by-dev', `mount=${hidden.digest}&from=${from}`, as);
    assert.equal(answer.status, 202, answer.body.toString());
    const { location, 'docker-upload-uuid': id, ...rest } = lastingHeaders(answer);
    assert.equal(location, `${uploadsOf('library/by-dev')}${id}`);
    assert.equal((await send(server, 'DELETE', String(location), { as })).status, 204);
    return rest;
  };
  const head = await log.head();
  assert.deepEqual(await of('secret/source'), await of('secret/nothing'));
  assert.deepEqual(await of('secret/source'), await of('nowhere/nothing'));
  assert.deepEqual(await decidedSince(log, head), []);
  const blob = `/v2/library/by-dev/blobs/${hidden.digest}`;
  assert.equal((await send(server, 'HEAD', blob, { as })).status, 404);

  // Whoever may read it there has it mounted, by the same request.
  isMounted(await mountInto('library/by-dev', `mount=${digest}&from=library/source`, as), 'library/by-dev');
  const answer = await mountInto('library/by-dev', `mount=${hidden.digest}&from=secret/source`);
  assert.equal(answer.status, 201);
});

test('a mount by a token for the target alone takes what its account may read', async () => {
  const scope = ['repository:library/by-token:pull,push'];
  const path = `${uploadsOf('library/by-token')}?mount=${digest}&from=library/source`;
  const { token } = await askToken(server, { as: `admin:${server.password}`, scope });
  isMounted(await send(server, 'POST', path, bearer(token)), 'library/by-token');
});

test('an upload may say its algorithm when it opens, and only one that there is', async () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const answer = await mountInto('library/algorithm', `digest-algorithm=${algorithm}`);
    assert.equal(answer.status, 202);
    const put = `${header(answer, 'location')}?digest=${digestOf(bytes, algorithm)}`;
    assert.equal((await send(server, 'PUT', put, { body: bytes })).status, 201);
  }
  for (const bad of ['md5', '', 'SHA256', 'toString', 'sha256&digest-algorithm=sha512', 'blake3']) {
    const answer = await mountInto('library/algorithm', `digest-algorithm=${bad}`);
    assert.deepEqual(refusalOf(answer), [400, 'DIGEST_INVALID'], bad);
  }
});
