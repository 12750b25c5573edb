import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { header, refusalOf } from './client.ts';

const server = await startServer({ after });
await createUser(server, 'dev');
await createUser(server, 'other');
await createProject(server, 'seen');
await createProject(server, 'hidden');
const memberId = await addMember(server, 'seen', 'dev', 'projectAdmin');

async function exported(body: object, as?: string): Promise<string> {
  const asker = as === undefined ? {} : { as };
  const started = await ask(server, 'POST', '/audit/exports', { body, ...asker });
  assert.equal(started.status, 202, started.body.toString());
  const { id } = json(started);
  assert.equal(header(started, 'location'), `/api/v2.0/audit/exports/${id}`);
  await until('the export is done', async () => {
    const answer = await ask(server, 'GET', `/audit/exports/${id}`, asker);
    return json(answer).status === 'done';
  });
  return id;
}
const download = (id: string, as?: string) =>
  ask(server, 'GET', `/audit/exports/${id}/file`, as === undefined ? {} : { as });

test('what is searched for can be had as a file', async () => {
  const id = await exported({ format: 'ndjson', operation: 'create_project,create_user', project: 'seen' });
  const answer = await download(id);
  assert.equal(answer.status, 200);
  assert.match(
    header(answer, 'content-disposition'),
    /^attachment; filename="audit-\d{8}T\d{6}Z\.ndjson\.gz"$/,
  );
  const lines = gunzipSync(answer.body).toString().trim().split('\n');
  assert.deepEqual(
    lines.map((line) => [JSON.parse(line).operation, JSON.parse(line).resource]),
    [['create_project', 'seen']],
  );
  const [listed] = json(await ask(server, 'GET', '/audit/exports'));
  assert.deepEqual([listed.id, listed.status, listed.entries], [id, 'done', 1]);
  assert.equal((await ask(server, 'DELETE', `/audit/exports/${id}`)).status, 200);
  for (const path of ['', '/file'])
    assert.equal((await ask(server, 'GET', `/audit/exports/${id}${path}`)).status, 404);
});

test('an export has what its asker may read, is his, and is not his any more when he may read that no more', async () => {
  const id = await exported({ format: 'csv' }, 'dev');
  const text = gunzipSync((await download(id, 'dev')).body).toString();
  assert.match(text, /create_project,project,seen/);
  assert.doesNotMatch(text, /hidden/);
  for (const method of ['GET', 'DELETE'])
    assert.equal((await ask(server, method, `/audit/exports/${id}`, { as: 'other' })).status, 404);
  assert.equal((await download(id, 'other')).status, 404);
  assert.equal((await download(id, '')).status, 401);
  assert.deepEqual(json(await ask(server, 'GET', '/audit/exports', { as: 'other' })), []);
  assert.equal((await download(id)).status, 200, 'who may read all of the log may read any of it');

  await ask(server, 'PUT', `/projects/seen/members/${memberId}`, { body: { role_id: 3 } });
  assert.equal((await download(id, 'dev')).status, 404);
  assert.equal((await ask(server, 'DELETE', `/audit/exports/${id}`, { as: 'dev' })).status, 200);
});

test('an export whose job was stopped says so, and never that it still runs', async () => {
  await ask(server, 'PUT', '/jobservice/queues/AUDIT_EXPORT', { body: { action: 'pause' } });
  const started = await ask(server, 'POST', '/audit/exports', { body: { format: 'csv' } });
  const { id, status } = json(started);
  const statusNow = async () => json(await ask(server, 'GET', `/audit/exports/${id}`)).status;
  assert.deepEqual([status, await statusNow()], ['running', 'running']);
  await ask(server, 'PUT', '/jobservice/queues/AUDIT_EXPORT', { body: { action: 'stop' } });
  await until('it has failed', async () => (await statusNow()) === 'failed');
  const [listed] = json(await ask(server, 'GET', '/audit/exports'));
  assert.deepEqual([listed.id, listed.status], [id, 'failed']);
  assert.deepEqual(refusalOf(await download(id)), [409, 'CONFLICT']);
  assert.equal((await ask(server, 'DELETE', `/audit/exports/${id}`)).status, 200);
  await ask(server, 'PUT', '/jobservice/queues/AUDIT_EXPORT', { body: { action: 'resume' } });
});

test('what cannot be exported is refused', async () => {
  for (const body of [
    {},
    { format: 'xml' },
    { format: 'csv', from: 'x' },
    { format: 'csv', address: '1.2.3' },
    { format: 'csv', project_id: 2 ** 40 },
    { format: 'csv', actor: 'a\0b' },
    { format: 'csv', reason: '\ud800' },
    { format: 'csv', operation: 7 },
  ])
    assert.deepEqual(
      refusalOf(await ask(server, 'POST', '/audit/exports', { body })),
      [422, 'UNPROCESSABLE_ENTITY'],
      JSON.stringify(body),
    );
  assert.equal(
    (await ask(server, 'POST', '/audit/exports', { as: '', body: { format: 'csv' } })).status,
    401,
  );
  assert.equal((await ask(server, 'GET', '/audit/exports/x')).status, 404);
});

test('nobody keeps more than ten, and a name that stands in a filter is in no event', async () => {
  for (let n = 0; n < 10; n += 1)
    assert.equal(
      (await ask(server, 'POST', '/audit/exports', { as: 'other', body: { format: 'cef', actor: 'other' } }))
        .status,
      202,
    );
  const eleventh = await ask(server, 'POST', '/audit/exports', { as: 'other', body: { format: 'cef' } });
  assert.deepEqual(refusalOf(eleventh), [409, 'CONFLICT']);
  const [started] = json(
    await ask(server, 'GET', '/audit/entries?operation=start_execution&actor=other&limit=1'),
  );
  const { after: told } = json(await ask(server, 'GET', `/audit/entries/${started.id}`));
  assert.deepEqual(Object.keys(told.parameters), ['export_id']);
});
