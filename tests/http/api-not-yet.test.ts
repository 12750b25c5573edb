import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, faultOf, json } from './api-client.ts';
import { documentOf } from './api-document.ts';
import { pushImage, refusalOf } from './client.ts';

const server = await startServer({ after });
for (const name of ['leader', 'stranger']) await createUser(server, name);
await createProject(server, 'team');
await addMember(server, 'team', 'leader', 'projectAdmin');
const document = await documentOf(server);

/** Whole groups of operations on what the registry does not have. */
const tags = new Set([
  'Ldap',
  'oidc',
  'preheat',
  'registry',
  'replication',
  'scan',
  'scan data export',
  'scanAll',
  'scanner',
]);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods)
    .filter(
      ([
        ,
        {
          tags: [tag = ''],
        },
      ]) => tags.has(tag),
    )
    .map(([method, { operationId }]) => ({
      id: operationId,
      method: method.toUpperCase(),
      path: path
        .replace(/\{project_name(_or_id)?\}/, 'team')
        .replace(/\{(\w+)\}/g, (_, name) => (/id$/.test(name) ? '1' : 'x')),
      isOfProject: path.includes('{project_name'),
    })),
);

for (const { id, method, path, isOfProject } of operations) {
  test(`${id} is refused to who may not, and answered truly to who may`, async () => {
    assert.deepEqual(refusalOf(await ask(server, method, path, { as: '' })), [401, 'UNAUTHORIZED']);
    const isForAll = path.startsWith('/export/');
    if (!isForAll)
      assert.deepEqual(refusalOf(await ask(server, method, path, { as: 'stranger' })), [403, 'FORBIDDEN']);
    const answer = await ask(server, method, path, isOfProject ? { as: 'leader' } : {});
    if (answer.status >= 400) {
      assert.ok([400, 404, 412].includes(answer.status), `${answer.status}`);
      return;
    }
    assert.equal(answer.status, 200);
    assert.ok(method === 'GET' || id === 'pingLdap', 'nothing is changed with success');
    const shown = json(answer);
    if (Array.isArray(shown)) assert.deepEqual(shown, []);
    else
      assert.ok(
        [{}, { items: [] }].some((none) => JSON.stringify(none) === JSON.stringify(shown)) ||
          shown.success === false,
        answer.body.toString(),
      );
  });
}

test('without a scanner nothing is scanned, in the words that clients of Harbor know', async () => {
  const answer = await ask(server, 'POST', '/system/scanAll/schedule', {
    body: { schedule: { type: 'Manual' } },
  });
  assert.deepEqual(refusalOf(answer), [412, 'PRECONDITION']);
  assert.equal(faultOf(answer).message, "no scanner is configured, it's not possible to scan");
  assert.equal((await ask(server, 'GET', '/scanners')).headers['x-total-count'], '0');
});

test('a summary of what scanners found says that nothing was scanned, of how many artifacts there are', async () => {
  await pushImage(server, 'team/app', 'v1');
  const summary = json(await ask(server, 'GET', '/security/summary?with_dangerous_cve=true'));
  assert.deepEqual(
    [summary.scanned_cnt, summary.total_artifact, summary.dangerous_cves, summary.dangerous_artifacts],
    [0, 1, [], undefined],
  );
  assert.equal((await ask(server, 'GET', '/security/summary', { as: 'leader' })).status, 403);
});
