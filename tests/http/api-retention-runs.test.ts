import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { pushImage, send } from './client.ts';

const server = await startServer({ after });

/** A project with a policy of one rule, and its images, each pushed after the one before. */
async function projectWith(name: string, rule: object, ...tags: readonly string[]) {
  const projectId = await createProject(server, name);
  const body = {
    algorithm: 'or',
    scope: { level: 'project', ref: projectId },
    trigger: { kind: 'Schedule', settings: { cron: '' } },
    rules: [ruleOf(rule)],
  };
  const policyId = createdId(await ask(server, 'POST', '/retentions', { body }));
  for (const tag of tags) await pushImage(server, `${name}/app`, tag, tag);
  return { name, projectId, policyId };
}
const ruleOf = (more: object) => ({
  template: 'latestPushedK',
  params: { latestPushedK: 1 },
  tag_selectors: [{ decoration: 'matches', pattern: '**', extras: '{"untagged":true}' }],
  scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: '**' }] },
  ...more,
});
const runsOf = (policyId: number) => `/retentions/${policyId}/executions`;

async function run(policyId: number, dryRun: boolean) {
  const path = runsOf(policyId);
  const id = createdId(await ask(server, 'POST', path, { body: { dry_run: dryRun } }));
  await until(
    'the run is over',
    async () => {
      const { status } = json(await ask(server, 'GET', path)).find((each: { id: number }) => each.id === id);
      return !['Pending', 'Scheduled', 'Running'].includes(status);
    },
    30_000,
  );
  const tasks = json(await ask(server, 'GET', `${path}/${id}/tasks`));
  return { id, path: `${path}/${id}`, tasks };
}
const rowsOf = async (path: string) => json(await ask(server, 'GET', `${path}/artifacts?limit=100`));
const tagsIn = async (repository: string): Promise<string[]> => {
  const answer = await ask(server, 'GET', `/projects/${repository.replace('/', '/repositories/')}/artifacts`);
  return json(answer).flatMap(
    ({ tags }: { tags: { name: string }[] | null }) => tags?.map(({ name }) => name) ?? [],
  );
};

const team = await projectWith('team', {}, 'v1', 'v2', 'v3');
await createUser(server, 'guest');
await addMember(server, 'team', 'guest', 'guest');

test('a dry run says of every artifact what becomes of it and why, and the run then does that', async () => {
  const dry = await run(team.policyId, true);
  const [task] = dry.tasks;
  assert.deepEqual(
    [task.repository, task.status, task.status_code, task.total, task.retained],
    ['app', 'Success', 3, 3, 1],
  );
  const foreseen = await rowsOf(`${dry.path}/tasks/${task.id}`);
  assert.deepEqual(
    foreseen.map(({ tags, kept, cause, rule_id }: Record<string, unknown>) => [tags, kept, cause, rule_id]),
    [
      [['v1'], false, 'no-rule-keeps', undefined],
      [['v2'], false, 'no-rule-keeps', undefined],
      [['v3'], true, 'rule', 1],
    ],
  );
  assert.deepEqual((await tagsIn('team/app')).toSorted(), ['v1', 'v2', 'v3'], 'nothing went');
  const log = (await ask(server, 'GET', `${dry.path}/tasks/${task.id}`)).body.toString();
  assert.match(log, /DEL .*v1: rule 1 keeps the 1 that were pushed last, of which this is number 3/);
  assert.match(log, /RETAIN .*v3: rule 1/);

  const real = await run(team.policyId, false);
  const [done] = real.tasks;
  assert.deepEqual([done.status, done.total, done.retained], ['Success', 3, 1]);
  const rows = await rowsOf(`${real.path}/tasks/${done.id}`);
  assert.deepEqual(
    rows.map(({ outcome, ...row }: { outcome?: string }) => row),
    foreseen,
  );
  assert.deepEqual(
    rows.map(({ outcome }: { outcome?: string }) => outcome),
    ['removed', 'removed', undefined],
  );
  assert.deepEqual(await tagsIn('team/app'), ['v3']);

  const runs = json(await ask(server, 'GET', runsOf(team.policyId)));
  assert.deepEqual(
    runs.map(({ id, policy_id, status, trigger, dry_run }: Record<string, unknown>) => [
      id,
      policy_id,
      status,
      trigger,
      dry_run,
    ]),
    [
      [real.id, team.policyId, 'Success', 'Manual', false],
      [dry.id, team.policyId, 'Success', 'Manual', true],
    ],
  );
  assert.match(runs[0].start_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
});

test('a run that keeps nothing of a repository does so, and says it', async () => {
  const { policyId } = await projectWith('empty', { params: { latestPushedK: 0 } }, 'v1');
  const dry = await run(policyId, true);
  assert.deepEqual([dry.tasks[0].retained, dry.tasks[0].removes_everything], [0, true]);
  assert.match(
    (await ask(server, 'GET', `${dry.path}/tasks/${dry.tasks[0].id}`)).body.toString(),
    /WARN.*ALL of its 1 artifacts/,
  );
  await run(policyId, false);
  assert.deepEqual(await tagsIn('empty/app'), []);
});

test('a run takes the repositories in which a rule counts, and no other', async () => {
  const scope_selectors = { repository: [{ decoration: 'repoMatches', pattern: 'a*' }] };
  const { policyId } = await projectWith('some', { scope_selectors, params: { latestPushedK: 0 } }, 'v1');
  await pushImage(server, 'some/other', 'v1');
  const { tasks } = await run(policyId, false);
  assert.deepEqual(
    tasks.map(({ repository }: { repository: string }) => repository),
    ['app'],
  );
  assert.deepEqual(await tagsIn('some/other'), ['v1']);
});

test('a what-if tells what the rules would have removed, as the run then does', async () => {
  const { policyId, projectId } = await projectWith('past', {}, 'v1', 'v2', 'v3', 'v4');
  await ask(server, 'DELETE', '/projects/past/repositories/app/artifacts/v2');
  const body = { scope: { level: 'project', ref: projectId }, days: 7 };
  const begun = await ask(server, 'POST', '/retentions/what-if', { body });
  assert.equal(begun.status, 202);
  const path = `/retentions/what-if/${json(begun).id}`;
  assert.equal(begun.headers.location, `/api/v2.0${path}`);
  await until('it is through', async () => json(await ask(server, 'GET', path)).status === 'Success', 30_000);
  const shown = json(await ask(server, 'GET', path));
  assert.deepEqual(
    [shown.project_id, shown.days, shown.removed, shown.pulled_afterwards],
    [projectId, 7, 2, 0],
  );
  const rows = await rowsOf(path);

  const real = await run(policyId, false);
  const removed = (await rowsOf(`${real.path}/tasks/${real.tasks[0].id}`)).filter(
    ({ outcome }: { outcome?: string }) => outcome === 'removed',
  );
  const essence = ({ digest, tags, size, why, push_time }: Record<string, unknown>) => [
    digest,
    tags,
    size,
    why,
    push_time,
  ];
  assert.deepEqual(rows.map(essence), removed.map(essence));
});

test('a run is asked for, seen and stopped by who may do that with the policy', async () => {
  const runs = runsOf(team.policyId);
  const id = createdId(await ask(server, 'POST', runs, { body: {} }));
  const [task] = json(await ask(server, 'GET', `${runs}/${id}/tasks?page_size=1`));
  const asked = [
    ['POST', runs],
    ['GET', runs],
    ['PATCH', `${runs}/${id}`],
    ['GET', `${runs}/${id}/tasks`],
    ['GET', `${runs}/${id}/tasks/${task?.id ?? 1}`],
    ['GET', `${runs}/${id}/tasks/${task?.id ?? 1}/artifacts`],
  ] as const;
  for (const [method, path] of asked)
    for (const [as, status] of [
      ['', 401],
      ['guest', 403],
    ] as const)
      assert.equal(
        (await ask(server, method, path, { as, body: {} })).status,
        status,
        `${method} ${path} ${as}`,
      );
  const stop = (action: unknown, path = `${runs}/${id}`) => ask(server, 'PATCH', path, { body: { action } });
  assert.equal((await stop('stop')).status, 200);
  assert.equal((await stop('stop')).status, 200, 'once more');
  for (const action of ['resume', '', null]) assert.equal((await stop(action)).status, 400);
  assert.equal((await stop(7)).status, 422);
});

test('of runs that wait there is one of a kind for each policy, and one what-if for each project', async () => {
  const { policyId, projectId } = await projectWith('waiting', {}, 'v1');
  const kinds = ['RETENTION', 'RETENTION_WHAT_IF'];
  const all = (action: string) =>
    Promise.all(kinds.map((kind) => ask(server, 'PUT', `/jobservice/queues/${kind}`, { body: { action } })));
  const start = (dry_run: boolean) => ask(server, 'POST', runsOf(policyId), { body: { dry_run } });
  const body = { scope: { level: 'project', ref: projectId } };
  const whatIf = () => ask(server, 'POST', '/retentions/what-if', { body });
  for (const { status } of await all('pause')) assert.equal(status, 200);
  const first = createdId(await start(false));
  const again = await start(false);
  assert.deepEqual([again.status, faultOf(again).message], [409, `execution ${first} waits to do the same`]);
  assert.deepEqual([(await start(true)).status, (await start(true)).status], [201, 409]);
  assert.deepEqual([(await whatIf()).status, (await whatIf()).status], [202, 409]);
  await ask(server, 'PATCH', `${runsOf(policyId)}/${first}`, { body: { action: 'stop' } });
  assert.equal((await start(false)).status, 201, 'the first one is asked to stop');
  for (const { status } of await all('resume')) assert.equal(status, 200);
});

test('what belongs to another policy, or to none, is not found', async () => {
  const other = await projectWith('other', {}, 'v1');
  const own = await run(other.policyId, true);
  const path = `${runsOf(team.policyId)}/${own.id}`;
  assert.equal((await ask(server, 'PATCH', path, { body: { action: 'stop' } })).status, 404);
  for (const part of ['tasks', `tasks/${own.tasks[0].id}`, `tasks/${own.tasks[0].id}/artifacts`])
    assert.equal((await ask(server, 'GET', `${path}/${part}`)).status, 404, part);
  assert.equal((await ask(server, 'GET', `${own.path}/tasks/999999`)).status, 404);
  const unknown = await ask(server, 'POST', '/retentions/999999/executions', { body: {} });
  assert.deepEqual(
    [unknown.status, faultOf(unknown).message],
    [400, 'no such Retention policy with id 999999'],
  );
  for (const part of ['', '/1/tasks', '/1/tasks/1', '/1/tasks/1/artifacts'])
    assert.equal((await ask(server, 'GET', `/retentions/999999/executions${part}`)).status, 400, part);
});

test('lists of runs and of decisions come in pages', async () => {
  const { policyId } = await projectWith('pages', {}, 'v1', 'v2', 'v3');
  const { path, tasks } = await run(policyId, true);
  await run(policyId, true);
  const page = await ask(server, 'GET', `${runsOf(policyId)}?page=2&page_size=1`);
  assert.equal(page.headers['x-total-count'], '2');
  assert.equal(json(page).length, 1);
  assert.equal((await ask(server, 'GET', `${path}/tasks?page_size=1`)).headers['x-total-count'], '1');
  const first = await ask(server, 'GET', `${path}/tasks/${tasks[0].id}/artifacts?limit=2`);
  assert.equal(first.headers['x-total-count'], '3');
  assert.deepEqual(json(first).length, 2);
  const [, next = ''] = /^<([^>]+)>; rel="next"$/.exec(String(first.headers.link)) ?? [];
  const rest = await ask(server, 'GET', next);
  assert.deepEqual([json(rest).length, rest.headers.link], [1, undefined]);
  for (const after of ['x', '-1', '9999999999'])
    assert.equal(
      (await ask(server, 'GET', `${path}/tasks/${tasks[0].id}/artifacts?after=${after}`)).status,
      400,
    );
});

test('a what-if is refused that says nothing, and is for who may run the policy', async () => {
  const start = (body: object, as?: string) =>
    ask(server, 'POST', '/retentions/what-if', { body, ...(as !== undefined && { as }) });
  const bare = await createProject(server, 'bare');
  const scope = { level: 'project', ref: bare };
  assert.equal((await start({ scope })).status, 400, 'no rules');
  for (const days of [0, 366, 1.5, '7'])
    assert.equal((await start({ scope, days, rules: [ruleOf({})] })).status, 422);
  assert.equal((await start({ scope: { level: 'project', ref: 999_999 }, rules: [ruleOf({})] })).status, 400);
  const ofTeam = { scope: { level: 'project', ref: team.projectId } };
  assert.equal((await start(ofTeam, 'guest')).status, 403);
  assert.equal((await start(ofTeam, '')).status, 401);
  const begun = await start(ofTeam);
  assert.equal(begun.status, 202);
  for (const part of ['', '/artifacts']) {
    const path = `/retentions/what-if/${json(begun).id}${part}`;
    assert.equal((await ask(server, 'GET', path, { as: 'guest' })).status, 403, part);
    assert.equal((await ask(server, 'GET', path, { as: '' })).status, 401, part);
    assert.equal((await ask(server, 'GET', `/retentions/what-if/999999${part}`)).status, 404, part);
  }
});

/** Pulls a tag, if it is there, and waits until that is known: it is recorded behind the answer. */
async function pull(project: string, tag: string): Promise<void> {
  const before = new Date().toISOString();
  if ((await send(server, 'GET', `/v2/${project}/app/manifests/${tag}`)).status !== 200) return;
  const path = `/projects/${project}/repositories/app/artifacts/${tag}`;
  await until('the pull is shown', async () => json(await ask(server, 'GET', path)).pull_time >= before);
}

/** The same numbers for the same seed. */
function randomBy(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

test('over random histories a dry run, a what-if and a run find the same', async (t) => {
  const seed = Number(process.env.SHIPLOG_TEST_SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`SHIPLOG_TEST_SEED=${seed}`);
  const random = randomBy(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[random(items.length)] as Item;
  for (let round = 1; round <= 4; round += 1) {
    const rules = Array.from({ length: 1 + random(2) }, (_, place) => {
      const template = pick([
        'latestPushedK',
        'latestPulledN',
        'nDaysSinceLastPush',
        'nDaysSinceLastPull',
        'always',
      ]);
      return ruleOf({
        template,
        params: template === 'always' ? {} : { [template]: random(3) },
        priority: place,
        tag_selectors: [
          {
            decoration: pick(['matches', 'excludes']),
            pattern: pick(['**', 'v*', 'v{1,2}', 'dev*']),
            extras: pick(['', '{"untagged":true}', '{"untagged":false}']),
          },
        ],
      });
    });
    const name = `random-${round}`;
    const projectId = await createProject(server, name);
    const scope = { level: 'project', ref: projectId };
    const policyId = createdId(await ask(server, 'POST', '/retentions', { body: { scope, rules } }));
    const path = `/projects/${name}/repositories/app/artifacts`;
    for (let step = 0; step < 14; step += 1) {
      const tag = `${pick(['v', 'dev'])}${random(4)}`;
      const deed = random(6);
      if (deed < 4) await pushImage(server, `${name}/app`, tag, String(random(8)));
      else if (deed === 4) await pull(name, tag);
      else await ask(server, 'DELETE', `${path}/${tag}/tags/${tag}`);
    }
    const dry = await run(policyId, true);
    const begun = json(await ask(server, 'POST', '/retentions/what-if', { body: { scope, days: 1 } })).id;
    const whatIf = `/retentions/what-if/${begun}`;
    await until(
      'it is through',
      async () => json(await ask(server, 'GET', whatIf)).status === 'Success',
      30_000,
    );
    const real = await run(policyId, false);
    const artifactsOf = ({ path, tasks }: typeof dry) =>
      tasks.length === 0 ? [] : rowsOf(`${path}/tasks/${tasks[0].id}`);
    const [foreseen, done] = [await artifactsOf(dry), await artifactsOf(real)];
    type Row = { readonly digest: string; readonly kept: boolean; readonly outcome?: string };
    assert.deepEqual(
      done.map(({ outcome, ...row }: Row) => row.digest + row.kept),
      foreseen.map((row: Row) => row.digest + row.kept),
      `seed ${seed}`,
    );
    const digestsOf = (rows: readonly Row[]) => rows.map(({ digest }) => digest).toSorted();
    const removed = digestsOf(done.filter(({ outcome }: Row) => outcome === 'removed'));
    assert.deepEqual(removed, digestsOf(foreseen.filter(({ kept }: Row) => !kept)), `seed ${seed}`);
    assert.deepEqual(digestsOf(await rowsOf(whatIf)), removed, `seed ${seed}`);
    const left = json(await ask(server, 'GET', `${path}?page_size=100`));
    assert.deepEqual(digestsOf(left), digestsOf(foreseen.filter(({ kept }: Row) => kept)), `seed ${seed}`);
  }
});
