import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createdId, createProject, createUser, json } from './api-client.ts';
import { pushImage } from './client.ts';

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
