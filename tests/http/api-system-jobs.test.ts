import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { ask, createdId, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';

const server = await startServer({ after }, { environment: { SHIPLOG_GARBAGE_COLLECTION_ENABLED: 'false' } });
await createUser(server, 'nobody-special');

const gc = '/system/gc';
const purge = '/system/purgeaudit';
const purgeParameters = { audit_retention_hour: 24, include_event_types: 'create_artifact,pull_artifact' };
const bodyOf = (type: unknown, cron?: unknown, parameters: object = {}) => ({
  schedule: { type, ...(cron !== undefined && { cron }) },
  parameters,
});

for (const [name, base, parameters] of [
  ['the collection of garbage', gc, { delete_untagged: true, workers: 3 }],
  ['the purge of the audit log', purge, purgeParameters],
] as const) {
  test(`without a schedule the answer for ${name} has no body, and with one it is shown as it was set`, async () => {
    const none = await ask(server, 'GET', `${base}/schedule`);
    assert.deepEqual([none.status, none.body.length], [200, 0]);
    assert.equal(header(none, 'content-length'), '0');

    const created = await ask(server, 'POST', `${base}/schedule`, {
      body: bodyOf('Daily', '0 0 0 * * *', parameters),
    });

    assert.deepEqual([created.status, created.body.length], [201, 0]);
    assert.equal(header(created, 'location'), `/api/v2.0${base}/0`);
    const shown = json(await ask(server, 'GET', `${base}/schedule`));
    assert.deepEqual([shown.schedule.type, shown.schedule.cron], ['Daily', '0 0 0 * * *']);
    assert.match(shown.schedule.next_scheduled_time, /T00:00:00\.000Z$/);
    assert.equal(shown.job_kind, '0 0 0 * * *');
    assert.deepEqual(JSON.parse(shown.job_parameters), parameters);

    const replaced = bodyOf('Custom', '0 15 * * * *', parameters);
    assert.equal((await ask(server, 'POST', `${base}/schedule`, { body: replaced })).status, 201);
    const hourly = bodyOf('Hourly', '0 0 * * * *', parameters);
    assert.equal((await ask(server, 'PUT', `${base}/schedule`, { body: hourly })).status, 200);
    const changed = json(await ask(server, 'GET', `${base}/schedule`));
    assert.deepEqual([changed.schedule.type, changed.schedule.cron], ['Hourly', '0 0 * * * *']);
    assert.equal(changed.id, shown.id, 'it is the one there is');

    for (const type of ['', null, undefined, 'Schedule']) {
      const unchanged = await ask(server, 'PUT', `${base}/schedule`, { body: bodyOf(type, '', parameters) });
      assert.equal(unchanged.status, 200);
    }
    assert.equal(json(await ask(server, 'GET', `${base}/schedule`)).schedule.type, 'Hourly');
    const nothing = await ask(server, 'POST', `${base}/schedule`, { body: bodyOf('', '', parameters) });
    assert.equal(header(nothing, 'location'), `/api/v2.0${base}/0`);
    assert.equal((await ask(server, 'PUT', `${base}/schedule`, { body: bodyOf('None', '') })).status, 200);
    assert.equal((await ask(server, 'GET', `${base}/schedule`)).body.length, 0);
    assert.equal((await ask(server, 'PUT', `${base}/schedule`, { body: bodyOf('None') })).status, 200);
  });

  test(`a schedule for ${name} that is none, or never due, is refused`, async () => {
    for (const cron of [
      '',
      undefined,
      '0 0 0 30 2 *',
      '* * * * *',
      '5 0 0 * * *',
      '0 0 25 * * *',
      'x',
      '0 0 0 * *',
    ])
      for (const method of ['POST', 'PUT']) {
        const answer = await ask(server, method, `${base}/schedule`, {
          body: bodyOf('Custom', cron, parameters),
        });
        assert.equal(answer.status, 400, `${cron}`);
        assert.equal(faultOf(answer).code, 'BAD_REQUEST');
      }
    for (const body of [{}, { schedule: null, parameters }, 'null'])
      assert.equal((await ask(server, 'POST', `${base}/schedule`, { body })).status, 400);
    for (const body of [
      { schedule: 'daily' },
      { schedule: { type: 'Sometimes' } },
      '[]',
      '{',
      { schedule: { type: 1 } },
    ])
      assert.equal(
        (await ask(server, 'PUT', `${base}/schedule`, { body })).status,
        422,
        JSON.stringify(body),
      );
    assert.equal((await ask(server, 'GET', `${base}/schedule`)).body.length, 0);
  });

  test(`only who administers the system may see or change ${name}`, async () => {
    const operations = [
      ['GET', base],
      ['GET', `${base}/schedule`],
      ['POST', `${base}/schedule`],
      ['PUT', `${base}/schedule`],
      ['GET', `${base}/1`],
      ['PUT', `${base}/1`],
      ['GET', `${base}/1/log`],
    ] as const;
    for (const [method, path] of operations)
      for (const [as, status] of [
        ['', 401],
        ['nobody-special', 403],
      ] as const) {
        const answer = await ask(server, method, path, { as, ...(method !== 'GET' && { body: {} }) });
        assert.equal(answer.status, status, `${method} ${path}`);
      }
  });

  test(`a run of ${name} that is not there, or of another kind, is not found`, async () => {
    const other = base === gc ? purge : gc;
    const otherParameters = base === gc ? purgeParameters : {};
    const id = createdId(
      await ask(server, 'POST', `${other}/schedule`, { body: bodyOf('Manual', '', otherParameters) }),
    );
    for (const unknown of [id, 999_999, 0, -1, 2 ** 40])
      for (const [method, path] of [
        ['GET', `${base}/${unknown}`],
        ['PUT', `${base}/${unknown}`],
        ['GET', `${base}/${unknown}/log`],
      ] as const)
        assert.equal((await ask(server, method, path)).status, 404, `${method} ${path}`);
    assert.equal((await ask(server, 'GET', `${base}/one`)).status, 422);
  });
}

test('a collection with too many workers, or with parameters of other types, is refused', async () => {
  const wrong: readonly object[] = [
    ...[0, 11, -1, 2.5, 1e300, '3', true].map((workers) => ({ workers })),
    { dry_run: 'yes' },
    { delete_untagged: 1 },
    { grace_hours: -1 },
    { delay_hours: 1e12 },
  ];
  for (const parameters of wrong)
    for (const type of ['Manual', 'Daily']) {
      const answer = await ask(server, 'POST', `${gc}/schedule`, {
        body: bodyOf(type, '0 0 0 * * *', parameters),
      });
      assert.equal(answer.status, 400, JSON.stringify(parameters));
    }
  const eleven = await ask(server, 'PUT', `${gc}/schedule`, { body: bodyOf('Manual', '', { workers: 11 }) });
  assert.match(faultOf(eleven).message, /workers/i);
  assert.equal((await ask(server, 'GET', `${gc}/schedule`)).body.length, 0);
});

test('a purge says how old rows go and of which types, by either name', async () => {
  const refused: readonly (object | undefined)[] = [
    undefined,
    {},
    { audit_retention_hour: 24 },
    { include_event_types: 'create_artifact' },
    { ...purgeParameters, audit_retention_hour: 240_001 },
    { ...purgeParameters, audit_retention_hour: -1 },
    { ...purgeParameters, audit_retention_hour: '24' },
    { ...purgeParameters, include_event_types: ['create_artifact'] },
    { ...purgeParameters, include_event_types: 'x'.repeat(5000) },
    { ...purgeParameters, dry_run: 'true' },
  ];
  for (const parameters of refused)
    for (const method of ['POST', 'PUT']) {
      const body = { schedule: { type: 'Manual' }, parameters };
      assert.equal(
        (await ask(server, method, `${purge}/schedule`, { body })).status,
        400,
        JSON.stringify(body),
      );
    }
  const older = { audit_retention_hour: 240_000, include_operations: 'pull,create' };
  const body = bodyOf('Weekly', '0 0 0 * * 0', older);
  assert.equal((await ask(server, 'POST', `${purge}/schedule`, { body })).status, 201);
  const { job_parameters } = json(await ask(server, 'GET', `${purge}/schedule`));
  const types = JSON.parse(job_parameters).include_event_types.split(',');
  assert.ok(types.includes('pull_artifact') && types.includes('create_robot'));
  assert.ok(!types.some((type: string) => type.startsWith('delete_')));
  assert.equal((await ask(server, 'PUT', `${purge}/schedule`, { body: bodyOf('None') })).status, 200);
});
