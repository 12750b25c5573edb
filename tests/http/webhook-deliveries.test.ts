import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { startReceiver } from '../webhook-receiver.ts';
import { addMember, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { pushWithConfig } from './artifacts.ts';
import { header } from './client.ts';

const receiver = await startReceiver({ after });
const server = await startServer(
  { after },
  {
    environment: {
      SHIPLOG_WEBHOOKS_ALLOWED_ADDRESSES: '127.0.0.1',
      SHIPLOG_WEBHOOKS_FIRST_PAUSE_SECONDS: '0.02',
      SHIPLOG_NOTIFICATION_WEBHOOK_JOB_MAX_RETRY: '3',
      SHIPLOG_NOTIFICATION_WEBHOOK_JOB_HTTP_CLIENT_TIMEOUT: '1',
    },
  },
);
for (const name of ['jane', 'mike', 'eve']) await createUser(server, name);
await createProject(server, 'other');

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test is about.
type Delivery = any;

/** A project of its own with a policy that tells of pushes to a path of the receiver. */
async function projectWith(project: string, more: object = {}, target: object = {}) {
  const projectId = await createProject(server, project);
  const policies = `/projects/${project}/webhook/policies`;
  const path = `/${project}`;
  const body = {
    ...{ name: 'ci', enabled: true, event_types: ['PUSH_ARTIFACT'], ...more },
    targets: [
      {
        type: 'http',
        address: `${receiver.url}${path}?key=secret-of-the-address`,
        auth_header: 'Bearer secret',
        ...target,
      },
    ],
  };
  const policyId = createdId(await ask(server, 'POST', policies, { body }));
  const at = `${policies}/${policyId}`;
  const deliveries = async (query = ''): Promise<Delivery[]> =>
    json(await ask(server, 'GET', `/webhook/deliveries?policy_id=${policyId}${query}`));
  const states = async () =>
    (await deliveries('&limit=100')).map(({ state }: Delivery) => state).toReversed();
  return {
    ...{ projectId, policyId, policies, at, body, deliveries, states },
    push: (tag: string) => pushWithConfig(server, `${project}/app`, tag, {}),
    received: () => receiver.at(`${path}?key=secret-of-the-address`),
    /** Resolves when as many deliveries are there, in these states from the first to the last. */
    async settled(expected: readonly string[]) {
      await until(`${project} is ${expected}`, async () => String(await states()) === String(expected)).catch(
        async () => assert.deepEqual(await states(), expected),
      );
      return (await deliveries('&limit=100')).toReversed();
    },
  };
}
const tagOf = ({ body }: { body: string }) => JSON.parse(body).event_data.resources?.[0].tag;
const idOf = ({ headers }: { headers: object }) => (headers as Record<string, string>)['webhook-id'];
const post = (path: string, body?: object, as?: string) =>
  ask(server, 'POST', path, { ...(body && { body }), ...(as !== undefined && { as }) });

test('what happens is told in its order, each under one id however often it is tried', async () => {
  const team = await projectWith('ordered');
  // Of three messages one is not taken at once, one way or the other.
  receiver.reply((_, before) => ([200, 503, 200, 'drop', 200, 200] as const)[before % 6] ?? 200);
  const tags = Array.from({ length: 8 }, (_, index) => `v${index}`);
  for (const tag of tags) await team.push(tag);
  const told = await team.settled(tags.map(() => 'delivered'));
  receiver.reply(() => 200);

  const received = team.received();
  const last = new Map(received.map((request) => [idOf(request), tagOf(request)]));
  assert.deepEqual([...last.values()], tags, 'in order, each under an id of its own');
  assert.deepEqual(
    received.map(tagOf).filter((tag, index, all) => tag !== all[index - 1]),
    tags,
    'none before the one before it',
  );
  assert.ok(received.length > tags.length);
  assert.deepEqual(
    told.map(({ position }) => BigInt(position)),
    told.map(({ position }) => BigInt(position)).toSorted((one, other) => Number(one - other)),
  );
  assert.equal(
    received.length,
    told.reduce((sum, { attempts }) => sum + attempts, 0),
  );
});

test('a delivery shows what was sent and what came back, without secrets', async () => {
  const team = await projectWith('shown');
  receiver.reply(() => ({
    status: 201,
    headers: { 'set-cookie': 'secret=1', 'x-of': 'the receiver' },
    body: 'Thanks',
  }));
  await team.push('v1');
  const [{ id, ...told }] = await team.settled(['delivered']);
  receiver.reply(() => 200);
  assert.deepEqual(
    [told.event_type, told.repository, told.status, told.attempts, told.error, told.next_at],
    ['PUSH_ARTIFACT', 'shown/app', 201, 1, null, null],
  );
  const answer = await ask(server, 'GET', `/webhook/deliveries/${id}`);
  const [attempt, ...more] = json(answer).log;
  assert.equal(more.length, 0);
  const [received] = team.received();
  assert.equal(attempt.request.body, received?.body);
  assert.equal(json(answer).payload, received?.body);
  assert.equal(attempt.request.origin, receiver.url);
  assert.equal(attempt.request.headers.authorization, '(hidden)');
  assert.equal(received?.headers.authorization, 'Bearer secret');
  assert.deepEqual(
    [attempt.response.status, attempt.response.body, attempt.response.headers['x-of']],
    [201, 'Thanks', 'the receiver'],
  );
  assert.doesNotMatch(answer.body.toString(), /secret/);

  const targets = [{ ...team.body.targets[0], payload_format: 'CloudEvents' }];
  assert.equal((await ask(server, 'PUT', team.at, { body: { ...team.body, targets } })).status, 200);
  const changed = json(await ask(server, 'GET', `/webhook/deliveries/${id}`));
  assert.equal(changed.log[0].request.body, received?.body, 'what was sent stays what it was');
  assert.equal(JSON.parse(changed.payload).specversion, '1.0');
});

test('what a target does not take is given up, and the next is told; it can be delivered again', async () => {
  const team = await projectWith('failing');
  receiver.reply(() => 500);
  await team.push('v1');
  const [dead] = await team.settled(['dead']);
  assert.deepEqual([dead.attempts, dead.status, dead.error], [4, 500, 'status']);
  receiver.reply(() => 'hang');
  await team.push('v2');
  await until('it is asked for', async () => (await team.deliveries()).length === 2);
  await until('the second is tried', async () => (await team.deliveries())[0].attempts > 0);
  assert.equal((await team.deliveries())[0].error, 'timeout');
  receiver.reply(() => 200);
  await team.settled(['dead', 'delivered']);

  const counted = json(await post('/webhook/deliveries/redeliver', { ids: [dead.id], dry_run: true }));
  assert.deepEqual(counted, { count: 1, dry_run: true, execution_id: null });
  assert.deepEqual(await team.states(), ['dead', 'delivered']);
  const before = team.received();
  assert.equal(json(await post('/webhook/deliveries/redeliver', { ids: [dead.id] })).count, 1);
  const [again] = await team.settled(['delivered', 'delivered']);
  assert.deepEqual([again.rounds, again.attempts, again.attempts_in_round], [2, 5, 1]);
  const last = team.received().at(-1);
  assert.ok(last && before[0]);
  assert.deepEqual([idOf(last), last.body], [idOf(before[0]), before[0].body]);
  const health = json(await ask(server, 'GET', `${team.at}/health`));
  assert.equal(health.length, 1);
  assert.deepEqual([health[0].queued, health[0].head, health[0].pause], [0, null, null]);
  assert.deepEqual([health[0].last_24_hours.delivered, health[0].last_30_days.given_up], [2, 1]);
});

test('a range, or all that are dead since, is counted and delivered again in order by a job', async () => {
  const team = await projectWith('ranged');
  receiver.reply(() => 400);
  for (const tag of ['v1', 'v2', 'v3']) await team.push(tag);
  const [first, second] = await team.settled(['dead', 'dead', 'dead']);
  receiver.reply(() => 200);
  await team.push('v4');
  await team.settled(['dead', 'dead', 'dead', 'delivered']);
  const before = team.received().length;
  const since = { policy_id: team.policyId, dead_since: first.update_time };
  assert.equal(json(await post('/webhook/deliveries/redeliver', { ...since, dry_run: true })).count, 3);
  const past = { ...since, to_position: second.position };
  assert.equal(json(await post('/webhook/deliveries/redeliver', { ...past, dry_run: true })).count, 1);
  const begun = json(await post('/webhook/deliveries/redeliver', since));
  assert.equal(begun.count, 3);
  await team.settled(['delivered', 'delivered', 'delivered', 'delivered']);
  assert.deepEqual(team.received().slice(before).map(tagOf), ['v1', 'v2', 'v3']);
  const progress = async () => json(await ask(server, 'GET', `/webhook/redeliveries/${begun.execution_id}`));
  await until('the job is done', async () => (await progress()).status === 'Success');
  const { done, total } = await progress();
  assert.deepEqual([done, total], [3, 3]);

  const range = { policy_id: team.policyId, from_position: second.position, states: ['delivered'] };
  assert.equal(json(await post('/webhook/deliveries/redeliver', range)).count, 3);
  await until('they are told again', async () => team.received().length === before + 6);
  assert.deepEqual(
    team
      .received()
      .slice(before + 3)
      .map(tagOf),
    ['v2', 'v3', 'v4'],
  );
});

test('a target that says that it is gone is paused, and what piles up goes on in order when it is resumed', async () => {
  const team = await projectWith('gone');
  receiver.reply(() => 410);
  for (const tag of ['v1', 'v2']) await team.push(tag);
  await team.settled(['pending', 'pending']);
  const health = async () => json(await ask(server, 'GET', `${team.at}/health`))[0];
  await until('it is paused', async () => (await health()).pause?.reason === 'gone');
  assert.equal((await health()).queued, 2);
  assert.equal(team.received().length, 1);
  receiver.reply(() => 200);
  assert.equal((await post(`${team.at}/resume`)).status, 200);
  await team.settled(['delivered', 'delivered']);
  assert.deepEqual(team.received().map(tagOf), ['v1', 'v1', 'v2']);
  assert.equal((await health()).pause, null);
});

test('a policy can be paused, and resumed from a position on', async () => {
  const team = await projectWith('paused');
  assert.equal((await post(`${team.at}/pause`, { reason: 'a move' })).status, 200);
  for (const tag of ['v1', 'v2', 'v3']) await team.push(tag);
  const [, second] = await team.settled(['pending', 'pending', 'pending']);
  assert.equal(team.received().length, 0);
  assert.equal((await post(`${team.at}/resume`, { from: second.position })).status, 200);
  const [skipped] = await team.settled(['skipped', 'delivered', 'delivered']);
  assert.equal(skipped.skip_reason, 'skipped-on-resume');
  assert.deepEqual(team.received().map(tagOf), ['v2', 'v3']);
});

test('the address that a policy has now counts, and what waits goes with a policy that is disabled or deleted', async () => {
  const team = await projectWith('changing', {}, { address: 'http://127.0.0.1:1/nobody' });
  await post(`${team.at}/pause`);
  await team.push('v1');
  await team.settled(['pending']);
  const [target] = team.body.targets;
  const moved = { ...team.body, targets: [{ ...target, address: `${receiver.url}/moved` }] };
  assert.equal((await ask(server, 'PUT', team.at, { body: moved })).status, 200);
  await post(`${team.at}/resume`);
  await team.settled(['delivered']);
  assert.equal(receiver.at('/moved').length, 1);

  await post(`${team.at}/pause`);
  await team.push('v2');
  await team.settled(['delivered', 'pending']);
  assert.equal((await ask(server, 'PUT', team.at, { body: { ...moved, enabled: false } })).status, 200);
  const [, disabled] = await team.settled(['delivered', 'skipped']);
  assert.equal(disabled.skip_reason, 'policy-disabled');
  await team.push('v3');
  assert.equal((await ask(server, 'PUT', team.at, { body: moved })).status, 200);
  await team.push('v4');
  await team.settled(['delivered', 'skipped', 'pending']);
  assert.equal((await ask(server, 'DELETE', team.at)).status, 200);
  const kept = json(await ask(server, 'GET', `/webhook/deliveries?project_id=${team.projectId}`));
  assert.deepEqual(
    kept.map(({ state, skip_reason }: Delivery) => [state, skip_reason]),
    [
      ['skipped', 'policy-deleted'],
      ['skipped', 'policy-disabled'],
      ['delivered', null],
    ],
  );
});

test('a policy is tried by a message of its own, whatever it tells', async () => {
  const team = await projectWith('tried', { event_types: ['QUOTA_EXCEED'] });
  const tried = await post(`${team.at}/test`);
  assert.equal(tried.status, 202);
  const [told] = await team.settled(['delivered']);
  assert.deepEqual([json(tried).ids, told.event_type], [[told.id], 'PING']);
  const [received] = team.received();
  const { type, operator, event_data } = JSON.parse(received?.body ?? '');
  assert.deepEqual([type, operator], ['PING', 'admin']);
  assert.match(event_data.custom_attributes.Details, /ci is tried/);
  await ask(server, 'PUT', team.at, { body: { ...team.body, enabled: false } });
  assert.equal((await post(`${team.at}/test`)).status, 412);
});

test('nothing is told while webhooks are off for all, and nothing of that time later', async () => {
  const team = await projectWith('quiet');
  assert.equal(
    (await ask(server, 'PUT', '/configurations', { body: { notification_enable: false } })).status,
    200,
  );
  await team.push('v1');
  // What is told of another event, behind it, says that it was looked at.
  assert.equal(
    (await ask(server, 'PUT', '/configurations', { body: { notification_enable: true } })).status,
    200,
  );
  await team.push('v2');
  const told = await team.settled(['delivered']);
  assert.equal(told.length, 1);
  assert.deepEqual(team.received().map(tagOf), ['v2']);
});

test('deliveries are executions in the words of Harbor', async () => {
  const team = await projectWith('harbor');
  receiver.reply(() => 404);
  await team.push('v1');
  const [dead] = await team.settled(['dead']);
  receiver.reply(() => 200);
  await team.push('v2');
  const [, delivered] = await team.settled(['dead', 'delivered']);
  const executions = await ask(server, 'GET', `${team.at}/executions`);
  assert.equal(header(executions, 'x-total-count'), '2');
  const shown = json(executions);
  assert.deepEqual(
    shown.map(({ id, status, vendor_type, vendor_id, trigger, metrics }: Delivery) => [
      ...[id, status, vendor_type, vendor_id, trigger, metrics.task_count],
    ]),
    [
      [delivered.id, 'Success', 'WEBHOOK', team.policyId, 'EVENT', 1],
      [dead.id, 'Error', 'WEBHOOK', team.policyId, 'EVENT', 1],
    ],
  );
  assert.equal(shown[0].extra_attrs.event_type, 'PUSH_ARTIFACT');
  assert.equal(shown[0].extra_attrs.payload, team.received().at(-1)?.body);
  const failed = json(await ask(server, 'GET', `${team.at}/executions?q=status%3DError`));
  assert.deepEqual(
    failed.map(({ id }: Delivery) => id),
    [dead.id],
  );

  const [task] = json(await ask(server, 'GET', `${team.at}/executions/${dead.id}/tasks`));
  assert.deepEqual([task.id, task.status, task.run_count], [dead.id, 'Error', 4]);
  const log = await ask(server, 'GET', `${team.at}/executions/${dead.id}/tasks/${task.id}/log`);
  assert.equal(log.body.toString().match(/ERROR.*status 404/g)?.length, 4);
  const jobs = json(await ask(server, 'GET', `/projects/harbor/webhook/jobs?policy_id=${team.policyId}`));
  assert.deepEqual(
    jobs.map(({ id, status, notify_type }: Delivery) => [id, status, notify_type]),
    [
      [delivered.id, 'Success', 'http'],
      [dead.id, 'Error', 'http'],
    ],
  );
  const [trigger] = json(await ask(server, 'GET', '/projects/harbor/webhook/lasttrigger'));
  assert.deepEqual([trigger.policy_name, trigger.event_type], ['ci', 'PUSH_ARTIFACT']);
  assert.ok(trigger.last_trigger_time > delivered.occurred_at);
  for (const path of [
    `${team.at}/executions/987654/tasks`,
    `${team.at}/executions/${dead.id}/tasks/987654/log`,
    `/projects/other/webhook/policies/${team.policyId}/executions`,
  ])
    assert.equal((await ask(server, 'GET', path)).status, 404, path);
});

test('deliveries are for those who may see the policy, and of a list there is always more', async () => {
  const team = await projectWith('rights');
  await addMember(server, 'rights', 'jane', 'projectAdmin');
  await addMember(server, 'rights', 'mike', 'maintainer');
  for (const tag of ['v1', 'v2', 'v3']) await team.push(tag);
  const [first, , third] = await team.settled(['delivered', 'delivered', 'delivered']);
  const status = async (as: string, method: string, path: string, body?: object) =>
    (await ask(server, method, path, { as, ...(body && { body }) })).status;
  const redeliver = '/webhook/deliveries/redeliver';
  const range = { policy_id: team.policyId, from_position: '1', dry_run: true };
  for (const [as, expected] of [
    ['jane', [200, 200, 200, 403, 200, 200, 200, 202]],
    ['mike', [200, 200, 200, 403, 403, 403, 403, 403]],
    ['eve', [403, 403, 403, 403, 403, 403, 403, 403]],
    ['', [401, 401, 401, 401, 401, 401, 401, 401]],
  ] as const)
    assert.deepEqual(
      [
        await status(as, 'GET', `/webhook/deliveries?policy_id=${team.policyId}`),
        await status(as, 'GET', `/webhook/deliveries?project_id=${team.projectId}&state=delivered`),
        await status(as, 'GET', `/webhook/deliveries/${first.id}`),
        await status(as, 'GET', '/webhook/deliveries'),
        await status(as, 'POST', redeliver, { ids: [first.id], dry_run: true }),
        await status(as, 'POST', redeliver, range),
        await status(as, 'POST', `${team.at}/resume`),
        await status(as, 'POST', `${team.at}/test`),
      ],
      expected,
      as,
    );
  assert.equal(await status('eve', 'GET', '/webhook/deliveries/987654'), 403);
  assert.equal(await status('jane', 'GET', '/webhook/deliveries/987654'), 403);
  assert.equal((await ask(server, 'GET', '/webhook/deliveries/987654')).status, 404);
  assert.equal((await ask(server, 'GET', '/webhook/redeliveries/987654')).status, 404);

  const page = await ask(
    server,
    'GET',
    `/webhook/deliveries?policy_id=${team.policyId}&event_type=PUSH_ARTIFACT&limit=2`,
  );
  assert.equal(json(page)[0].id, third.id);
  const next = /<([^>]+)>; rel="next"/.exec(header(page, 'link') ?? '')?.[1] ?? '';
  assert.deepEqual(
    json(await ask(server, 'GET', next)).map(({ id }: Delivery) => id),
    [first.id],
  );
});

test('what cannot be asked is refused as a fault of who asks', async () => {
  const team = await projectWith('refusing');
  for (const query of [
    'policy_id=x',
    'state=lost',
    'event_type=PUSH',
    'from=yesterday',
    'limit=0',
    'after=x',
  ])
    assert.equal((await ask(server, 'GET', `/webhook/deliveries?${query}`)).status, 422, query);
  assert.equal((await ask(server, 'GET', '/webhook/deliveries?policy_id=99999999999999')).status, 200);
  const redeliver = '/webhook/deliveries/redeliver';
  for (const [body, status] of [
    [{}, 400],
    [{ policy_id: team.policyId }, 400],
    [{ ids: [] }, 422],
    [{ ids: [0] }, 422],
    [{ ids: [987_654_321] }, 404],
    [{ ids: [2 ** 52] }, 422],
    [{ ids: ['1'] }, 422],
    [{ from: 'yesterday' }, 422],
    [{ from_position: '1'.repeat(30) }, 422],
    [{ from_position: '9'.repeat(18) }, 200],
    [{ dead_since: '2026-11-28T12:00:00Z', policy_id: 2 ** 40, dry_run: true }, 422],
  ] as const)
    assert.equal((await post(redeliver, body)).status, status, JSON.stringify(body));
  for (const [path, body, status] of [
    ['pause', { target: 1 }, 400],
    ['pause', { target: -1 }, 422],
    ['pause', { reason: 'a\0b' }, 400],
    ['pause', { reason: 'x'.repeat(501) }, 400],
    ['resume', { from: 7 }, 422],
    ['resume', { from: '-7' }, 422],
  ] as const)
    assert.equal((await post(`${team.at}/${path}`, body)).status, status, JSON.stringify(body));
  for (const path of ['pause', 'resume', 'test'])
    assert.equal((await post(`${team.policies}/987654/${path}`)).status, 404, path);
  assert.equal(faultOf(await post(`/webhook/policies/${team.policyId}/test`)).code, 'NOT_FOUND');
});

test('a policy for every project has deliveries that are for administrators alone', async () => {
  const team = await projectWith('everywhere');
  await addMember(server, 'everywhere', 'jane', 'projectAdmin');
  const created = await post('/webhook/policies', {
    ...{ name: 'all', enabled: true, event_types: ['PUSH_ARTIFACT'] },
    targets: [{ type: 'http', address: `${receiver.url}/all` }],
  });
  const policyId = createdId(created);
  const at = `/webhook/policies/${policyId}`;
  await team.push('v1');
  await until('both are told', () => team.received().length === 1 && receiver.at('/all').length === 1);
  const listed = `/webhook/deliveries?policy_id=${policyId}`;
  await until('it is delivered', async () => json(await ask(server, 'GET', listed))[0].state === 'delivered');
  const [told] = json(await ask(server, 'GET', listed));
  assert.equal(told.project, 'everywhere');
  const ofProject = json(
    await ask(server, 'GET', `/webhook/deliveries?project_id=${team.projectId}`, { as: 'jane' }),
  );
  assert.deepEqual(
    ofProject.map(({ policy_id }: Delivery) => policy_id),
    [team.policyId],
  );
  for (const path of [listed, `/webhook/deliveries/${told.id}`, `${at}/health`])
    assert.equal((await ask(server, 'GET', path, { as: 'jane' })).status, 403, path);
  assert.equal((await ask(server, 'GET', `${at}/health`)).status, 200);
  assert.equal((await post(`${at}/test`)).status, 202);
  await until('it is tried', () => receiver.at('/all').length === 2);
  assert.equal((await post(`${at}/pause`)).status, 200);
  assert.equal((await post(`${at}/resume`)).status, 200);
  assert.equal((await ask(server, 'DELETE', at)).status, 200);
});

test('what waits and what came of attempts is measured', async () => {
  const metrics = await (await server.fetch('/metrics')).text();
  assert.match(metrics, /^shiplog_webhook_deliveries_total\{outcome="delivered"\} \d+$/m);
  assert.match(metrics, /^shiplog_webhook_deliveries_total\{outcome="given_up"\} \d+$/m);
  assert.match(metrics, /^shiplog_webhook_deliveries_pending \d+$/m);
  assert.match(metrics, /^shiplog_webhook_oldest_pending_seconds /m);
});
