import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connectDatabase } from '../../infra/database/connect.ts';
import { runningPostgres } from '../../infra/database/embedded-postgres.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { digestOf, imageOf, pushBlob, pushImage, putManifest, refusalOf, send } from './client.ts';
import { eventsOf, openLogOf } from './server-log.ts';

const registry = await startServer({ after });
const log = await openLogOf({ after }, registry);
const connectionTo = await runningPostgres(join(registry.dataDirectory, 'postgres'));
const views = await connectDatabase({
  connection: connectionTo('shiplog_views'),
  poolSize: 1,
  waitMs: 10_000,
});
after(() => views.close());
const inViews = (statement: string, values: readonly unknown[]) => views.pool.query(statement, [...values]);
await createUser(registry, 'member');
await createUser(registry, 'stranger');

const limited = async (name: string, storage_limit: number): Promise<number> =>
  createdId(await ask(registry, 'POST', '/projects', { body: { project_name: name, storage_limit } }));
const setLimit = (id: number, storage: number) =>
  ask(registry, 'PUT', `/quotas/${id}`, { body: { hard: { storage } } });
const quotaOf = async (id: number) => json(await ask(registry, 'GET', `/quotas/${id}`));
const usedBy = async (id: number): Promise<number> => (await quotaOf(id)).used.storage;
const bytes = (mark: string, size: number): Buffer => Buffer.alloc(size, mark);
const messageOf = (answer: { body: Buffer }): string => JSON.parse(answer.body.toString()).errors[0].message;

/** As a client pushes a blob: in two requests. */
async function upload(repository: string, blob: Buffer) {
  const opened = await send(registry, 'POST', `/v2/${repository}/blobs/uploads/`);
  assert.equal(opened.status, 202);
  const { location = '' } = opened.headers;
  const answer = await send(registry, 'PUT', `${location}?digest=${digestOf(blob)}`, { body: blob });
  return { answer, location };
}

test('a new project may hold what it is given, and any number of bytes where nobody says', async () => {
  const [id, other] = [await limited('given', 1000), await createProject(registry, 'free')];
  const quota = await quotaOf(id);
  assert.deepEqual(quota.ref, { id, name: 'given', owner_name: 'admin' });
  assert.deepEqual([quota.id, quota.hard, quota.used], [id, { storage: 1000 }, { storage: 0 }]);
  assert.deepEqual((await quotaOf(other)).hard, { storage: -1 });
});

test('a new project gets what the system gives, and keeps it when that is changed', async () => {
  const standard = (storage_per_project: number) =>
    ask(registry, 'PUT', '/configurations', { body: { storage_per_project } });
  await standard(5000);
  const id = await createProject(registry, 'standard');
  await standard(-1);
  assert.deepEqual((await quotaOf(id)).hard, { storage: 5000 });
});

test('what a project holds counts once, in however many of its repositories it is', async () => {
  const id = await limited('once', 10_000);
  const blob = bytes('o', 1000);
  await pushBlob(registry, 'once/a', blob);
  await pushBlob(registry, 'once/b', blob);
  const mounted = await send(
    registry,
    'POST',
    `/v2/once/c/blobs/uploads/?mount=${digestOf(blob)}&from=once/a`,
  );
  assert.equal(mounted.status, 201);
  assert.equal(await usedBy(id), 1000);
  for (const repository of ['a', 'b', 'c'])
    assert.equal(
      (await send(registry, 'DELETE', `/v2/once/${repository}/blobs/${digestOf(blob)}`)).status,
      202,
    );
  assert.equal(await usedBy(id), 0);
});

test('a blob that does not fit is refused in Harbor’s words, by each way in, and leaves nothing', async () => {
  const id = await limited('full', 1536);
  const size = 1024;
  await pushBlob(registry, 'full/a', bytes('a', size));
  const second = bytes('b', size);
  const words =
    'adding 1.0 KiB of storage resource, which when updated to current usage of 1.0 KiB will exceed the configured upper limit of 1.5 KiB.';

  const { answer, location } = await upload('full/a', second);
  assert.deepEqual(refusalOf(answer), [403, 'DENIED']);
  assert.equal(messageOf(answer), words);
  assert.equal((await send(registry, 'GET', location)).status, 404, 'the upload is gone');

  const whole = await send(registry, 'POST', `/v2/full/a/blobs/uploads/?digest=${digestOf(second)}`, {
    body: second,
  });
  assert.deepEqual(refusalOf(whole), [403, 'DENIED']);

  await pushBlob(registry, 'library/source', second);
  const mount = `/v2/full/a/blobs/uploads/?mount=${digestOf(second)}&from=library/source`;
  assert.deepEqual(refusalOf(await send(registry, 'POST', mount)), [403, 'DENIED']);
  assert.equal((await send(registry, 'HEAD', `/v2/full/a/blobs/${digestOf(second)}`)).status, 404);
  assert.equal(await usedBy(id), 1024);

  // What the project holds can be pushed again, and pulled.
  await pushBlob(registry, 'full/b', bytes('a', size));
  assert.equal((await upload('full/b', bytes('a', size))).answer.status, 201);
});

test('an upload that says it has the digest of another pays nothing for it', async () => {
  const id = await limited('faked', 1000);
  const real = bytes('r', 10_000);
  const close = async (body: Buffer) => {
    const { headers } = await send(registry, 'POST', '/v2/faked/a/blobs/uploads/');
    return send(registry, 'PUT', `${headers.location}?digest=${digestOf(real)}`, { body });
  };
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => close(n % 2 === 0 ? bytes('f', 1) : real)),
  );
  for (const [n, answer] of answers.entries())
    assert.deepEqual(refusalOf(answer), n % 2 === 0 ? [400, 'DIGEST_INVALID'] : [403, 'DENIED']);
  assert.equal(await usedBy(id), 0);
});

test('where the room is claimed a push is told to come again, and need not send its bytes again', async () => {
  const id = await limited('claimed', 1000);
  await pushBlob(registry, 'claimed/a', bytes('1', 10));
  const claimed = `INSERT INTO quota_claims.claims VALUES ($1, $2, 900, false, now() + interval '1 hour')`;
  const rival = randomUUID();
  await inViews(claimed, [id, rival]);
  const blob = bytes('c', 500);
  const { answer, location } = await upload('claimed/a', blob);
  assert.deepEqual([...refusalOf(answer), answer.headers['retry-after']], [503, 'UNAVAILABLE', '5']);
  await inViews('DELETE FROM quota_claims.claims WHERE holder = $1', [rival]);
  const again = await send(registry, 'PUT', `${location}?digest=${digestOf(blob)}`, { body: blob });
  assert.equal(again.status, 201);
  assert.equal(await usedBy(id), 510);
});

test('bytes that a project cannot keep are not taken, unless it may hold them already', async () => {
  const id = await limited('early', 5 * 2 ** 20);
  const [large, held] = [bytes('L', 6 * 2 ** 20), bytes('H', 3 * 2 ** 20)];
  await pushBlob(registry, 'early/a', held);
  const open = async () => {
    const { headers } = await send(registry, 'POST', '/v2/early/a/blobs/uploads/');
    return headers.location ?? '';
  };
  const location = await open();
  assert.deepEqual(refusalOf(await send(registry, 'PATCH', location, { body: large })), [403, 'DENIED']);
  assert.equal((await send(registry, 'GET', location)).status, 404, 'the upload is gone');
  const whole = `/v2/early/a/blobs/uploads/?digest=${digestOf(large)}`;
  assert.deepEqual(refusalOf(await send(registry, 'POST', whole, { body: large })), [403, 'DENIED']);

  // Without a length, for as long as the client sends.
  async function* endless() {
    for (let n = 0; n < 40; n += 1) yield Buffer.alloc(2 ** 20);
  }
  const chunked = await send(registry, 'PATCH', await open(), { body: endless() });
  assert.deepEqual(refusalOf(chunked), [403, 'DENIED']);

  const again = await open();
  assert.equal((await send(registry, 'PATCH', again, { body: held })).status, 202);
  const closed = await send(registry, 'PUT', `${again}?digest=${digestOf(held)}`, { body: '' });
  assert.equal(closed.status, 201);
  assert.equal(await usedBy(id), held.length);
  const refusals = () => eventsOf(log, `quota-refusals/${id}`);
  await until('the refusal is recorded', async () => (await refusals()).length > 0);
  assert.deepEqual(
    (await refusals()).map(({ data }) => data.digest),
    [null],
  );
});

test('a project of which nobody knows what it may hold is not one without a limit', async () => {
  const id = await limited('forgotten', 1000);
  await inViews('DELETE FROM quotas_v1.quotas WHERE project_id = $1', [id]);
  const { answer } = await upload('forgotten/a', bytes('x', 1));
  assert.deepEqual(refusalOf(answer), [503, 'UNAVAILABLE']);
});

test('a manifest that does not fit is refused, and so is a copy', async () => {
  const id = await limited('narrow', 10_000);
  const config = await pushBlob(registry, 'narrow/a', 'a config');
  const manifest = imageOf(config, []);
  await setLimit(id, 20);
  const refused = await putManifest(registry, 'narrow/a', 'v1', manifest);
  assert.deepEqual(refusalOf(refused), [403, 'DENIED']);
  const { digest } = await pushImage(registry, 'library/copied', 'v1');
  const copy = await ask(
    registry,
    'POST',
    `/projects/narrow/repositories/a/artifacts?from=library/copied@${digest}`,
  );
  assert.equal(copy.status, 403);
  assert.equal(faultOf(copy).code, 'DENIED');
  await setLimit(id, -1);
  assert.equal((await putManifest(registry, 'narrow/a', 'v1', manifest)).status, 201);
  // The copy has brought its blob before it was refused.
  assert.equal(await usedBy(id), 8 + 2 + Buffer.byteLength(manifest));
});

test('a limit may be lower than what the project holds: it takes in nothing, and can be emptied', async () => {
  const id = await limited('lowered', 5000);
  const blob = bytes('l', 3000);
  await pushBlob(registry, 'lowered/a', blob);
  assert.equal((await setLimit(id, 10)).status, 200);
  assert.deepEqual(refusalOf((await upload('lowered/a', bytes('m', 1))).answer), [403, 'DENIED']);
  assert.equal((await send(registry, 'DELETE', `/v2/lowered/a/blobs/${digestOf(blob)}`)).status, 202);
  assert.equal((await upload('lowered/a', bytes('m', 10))).answer.status, 201);
  assert.equal(await usedBy(id), 10);
});

test('the summary of a project has its quota for who may see it', async () => {
  await limited('summed', 2000);
  await addMember(registry, 'summed', 'member', 'limitedGuest');
  await pushBlob(registry, 'summed/a', bytes('s', 100));
  const summary = json(await ask(registry, 'GET', '/projects/summed/summary', { as: 'member' }));
  assert.deepEqual(summary.quota, { hard: { storage: 2000 }, used: { storage: 100 } });
});

test('where quotas are switched off nothing is refused, and nothing shown of them', async () => {
  const switched = (quota_per_project_enable: boolean) =>
    ask(registry, 'PUT', '/configurations', { body: { quota_per_project_enable } });
  const id = await limited('switched', 10);
  await switched(false);
  assert.equal((await upload('switched/a', bytes('x', 100))).answer.status, 201);
  assert.equal(json(await ask(registry, 'GET', '/projects/switched/summary')).quota, undefined);
  await switched(true);
  assert.equal(await usedBy(id), 100);
  assert.deepEqual(refusalOf((await upload('switched/a', bytes('y', 1))).answer), [403, 'DENIED']);
});

test('a list of quotas is filtered by its project and sorted by what is used', async () => {
  const [small, large] = [await limited('sorted-small', 100), await limited('sorted-large', 200)];
  await pushBlob(registry, 'sorted-small/a', bytes('1', 20));
  await pushBlob(registry, 'sorted-large/a', bytes('2', 10));
  const list = async (query: string): Promise<number[]> =>
    json(await ask(registry, 'GET', `/quotas?page_size=100&${query}`)).map(({ id }: { id: number }) => id);
  const ours = async (sort: string) =>
    (await list(`sort=${sort}`)).filter((id) => id === small || id === large);
  assert.deepEqual(await ours('hard.storage'), [small, large]);
  assert.deepEqual(await ours('-used.storage'), [small, large]);
  assert.deepEqual(await ours('used.storage'), [large, small]);
  assert.deepEqual((await list('')).slice(0, 2), [large, small], 'the newest first');
  assert.deepEqual(await list(`reference=project&reference_id=${small}`), [small]);
  assert.deepEqual(await list('reference=user'), []);
  assert.deepEqual(await list('reference_id=none'), []);
  const page = await ask(registry, 'GET', '/quotas?page=1&page_size=1');
  assert.equal(json(page).length, 1);
  assert.ok(Number(page.headers['x-total-count']) > 1);
  assert.match(String(page.headers.link), /rel="next"/);
  // As the provider of Terraform asks.
  assert.equal((await ask(registry, 'GET', '/quotas/?page=1&page_size=100')).status, 200);
});

test('only who may change the system sees and sets quotas', async () => {
  const id = await createProject(registry, 'guarded');
  await addMember(registry, 'guarded', 'member', 'projectAdmin');
  for (const as of ['member', 'stranger', '']) {
    const status = as === '' ? 401 : 403;
    assert.equal((await ask(registry, 'GET', '/quotas', { as })).status, status);
    assert.equal((await ask(registry, 'GET', `/quotas/${id}`, { as })).status, status);
    const body = { hard: { storage: 1 } };
    assert.equal((await ask(registry, 'PUT', `/quotas/${id}`, { as, body })).status, status);
  }
});

test('a limit is -1 or more than 0, and of a project that there is', async () => {
  const id = await createProject(registry, 'limits');
  for (const storage of [0, -2, null]) {
    const answer = await ask(registry, 'PUT', `/quotas/${id}`, { body: { hard: { storage } } });
    assert.equal(answer.status, 400, String(storage));
  }
  for (const body of [{}, { hard: 5 }, { hard: { storage: '5' } }, { hard: { storage: 1.5 } }, '{', 'null'])
    assert.equal((await ask(registry, 'PUT', `/quotas/${id}`, { body })).status, 422, JSON.stringify(body));
  assert.equal(
    (await ask(registry, 'PUT', `/quotas/${id}`, { body: '{"hard":{"storage":1e300}}' })).status,
    422,
  );
  for (const unknown of ['999999', '0', '-1', '99999999999999'])
    assert.equal((await ask(registry, 'GET', `/quotas/${unknown}`)).status, 404);
  assert.equal((await ask(registry, 'GET', '/quotas/many')).status, 422);
  assert.equal((await setLimit(id, 2 ** 50)).status, 200);
});

test('the quota of a project goes with it, and the next one of its name has its own', async () => {
  const id = await limited('passing', 100);
  assert.equal((await ask(registry, 'DELETE', '/projects/passing')).status, 200);
  assert.equal((await ask(registry, 'GET', `/quotas/${id}`)).status, 404);
  assert.equal((await setLimit(id, 50)).status, 404);
  assert.deepEqual((await quotaOf(await createProject(registry, 'passing'))).hard, { storage: -1 });
});

test('what is set, refused and nearly full is in the log, once each time', async () => {
  const id = await limited('told', 1000);
  const of = async (type: string) =>
    (await Promise.all([`quota/${id}`, `quota-refusals/${id}`].map((stream) => eventsOf(log, stream))))
      .flat()
      .filter((event) => event.type === type);
  await setLimit(id, 2000);
  await setLimit(id, 2000);
  const [set, ...more] = await of('QuotaSet');
  assert.deepEqual([set?.data, more.length], [{ projectId: id, project: 'told', storage: 2000 }, 0]);
  assert.equal(set?.metadata.actor, 'user:admin');

  const blob = bytes('t', 1700);
  await pushBlob(registry, 'told/a', blob);
  await until('the warning is recorded', async () => (await of('QuotaWarned')).length === 1);
  await pushBlob(registry, 'told/a', bytes('u', 1));
  await Promise.all(
    Array.from({ length: 20 }, () => upload('told/a', bytes('v', 1500)).then(({ answer }) => answer.status)),
  );
  await until('a refusal is recorded', async () => (await of('QuotaExceeded')).length > 0);
  const refusals = await of('QuotaExceeded');
  assert.equal(refusals.length, 1);
  assert.deepEqual(refusals[0]?.data, {
    ...{ projectId: id, project: 'told', repository: 'told/a', digest: digestOf(bytes('v', 1500)) },
    ...{ adding: 1500, used: 1701, storage: 2000 },
  });

  assert.equal((await send(registry, 'DELETE', `/v2/told/a/blobs/${digestOf(blob)}`)).status, 202);
  await until('there is room again', async () => (await of('QuotaEased')).length === 1);
  await pushBlob(registry, 'told/b', blob);
  await until('the next crossing is told', async () => (await of('QuotaWarned')).length === 2);
});

test('the metrics have what each project may hold, and what it does', async () => {
  await limited('measured', 3000);
  await pushBlob(registry, 'measured/a', bytes('m', 12));
  await until('the view shows it', async () => {
    const text = (await send(registry, 'GET', '/metrics')).body.toString();
    return (
      text.includes('harbor_project_quota_byte{project_name="measured"} 3000') &&
      text.includes('harbor_project_quota_usage_byte{project_name="measured"} 12')
    );
  });
});
