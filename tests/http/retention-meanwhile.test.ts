import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyRetentionPorts } from '../../bin/retention-handlers.ts';
import { idsAllocator } from '../../commands/allocate-id.ts';
import { fireSchedule } from '../../commands/fire-schedule.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { pullsStream } from '../../domain/pull/events.ts';
import type { RetentionRow } from '../../domain/retention/row.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { openPostgresJournal } from '../../infra/job-journal/postgres.ts';
import { postgresResults } from '../../infra/job-results/postgres.ts';
import { type ExecutionsDatabase, executions } from '../../projections/executions/projection.ts';
import { sweepableExecutions, taskIdsOf } from '../../projections/executions/queries.ts';
import { pulls } from '../../projections/pulls/projection.ts';
import { type ApplyRetentionPorts, applyRetention } from '../../workers/apply-retention.ts';
import { sweepExecutions } from '../../workers/sweep-executions.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { ask, createdId, createProject, json } from './api-client.ts';
import { artifactsOf, indexOf, push } from './artifacts.ts';
import { imageOf, mediaTypes, pushBlob, pushImage, putManifest, send } from './client.ts';
import { openCollector } from './collector.ts';

/*
 * Runs of a policy by a second process, step by step, so that a test can do between two of them what a client or a crash
 * might.
 */

const server = await startServer({ after });
const { log, store, database, views, record } = await openCollector({ after }, server);
const ports = applyRetentionPorts({
  ...{ log, store, database, views, results: postgresResults(database) },
  ports: {
    record,
    allocateIds: idsAllocator({ log, catalogue, newEventId }),
    newJobId: randomUUID,
  },
});
let tasks = 1_000_000;

const ruleOf = (more: object = {}) => ({
  template: 'latestPushedK',
  params: { latestPushedK: 1 },
  tag_selectors: [{ decoration: 'matches', pattern: '**', extras: '{"untagged":true}' }],
  scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: '**' }] },
  ...more,
});

/** A project with a policy that keeps what its one rule does, and its images, each pushed after the one before. */
async function projectWith(name: string, rule: object, ...tags: readonly string[]) {
  const projectId = await createProject(server, name);
  const body = { scope: { level: 'project', ref: projectId }, rules: [ruleOf(rule)] };
  const policyId = createdId(await ask(server, 'POST', '/retentions', { body }));
  const images = [];
  for (const tag of tags) images.push(await pushImage(server, `${name}/app`, tag, tag));
  return { name, repository: `${name}/app`, projectId, policyId, images };
}

/** A task of a run; what it has said is in `lines`. */
function taskOf(policyId: number, repository: string, dryRun = false) {
  tasks += 1;
  const lines: string[] = [];
  const job = {
    ...{
      kind: 'RETENTION' as const,
      executionId: tasks,
      taskId: tasks,
      jobId: randomUUID(),
      vendorId: policyId,
    },
    ...{ parameters: { dryRun, repository }, attempt: 1 },
  } as const;
  const stopping = new AbortController();
  const run = {
    stopping: stopping.signal,
    log: (text: string) => void lines.push(text),
    progress: () => undefined,
  };
  return {
    lines,
    stopping,
    run: (changed: Partial<ApplyRetentionPorts> = {}) =>
      applyRetention({ ...ports, ...changed }).run(job, run),
    async rows() {
      const rows = await ports.results.read<RetentionRow>(job.taskId, 0, 1000);
      return rows.map(({ row }) => row);
    },
  };
}

async function tagsIn(repository: string): Promise<readonly string[]> {
  const [project = '', ...rest] = repository.split('/');
  const found = json(await ask(server, 'GET', artifactsOf(project, rest.join('/'))));
  const names = found.flatMap(
    ({ tags }: { tags: { name: string }[] | null }) => tags?.map(({ name }) => name) ?? [],
  );
  return names.toSorted();
}
const statusOf = async (repository: string, reference: string) =>
  (await send(server, 'GET', `/v2/${repository}/manifests/${reference}`)).status;

const meanwhile: readonly (readonly [
  string,
  (repository: string, manifest: string, digest: string) => Promise<unknown>,
])[] = [
  ['gets another tag', (repository, manifest) => putManifest(server, repository, 'new', manifest)],
  ['is pushed again as it is', (repository, manifest) => putManifest(server, repository, 'v1', manifest)],
  [
    'is pulled',
    async (repository, _, digest) => {
      await statusOf(repository, digest);
      await until('the pull is shown', async () => {
        await views.reached(await log.head(), []);
        return (await ports.findCandidate(repository, digest as never))?.pulledAt !== null;
      });
    },
  ],
  [
    'loses its tag',
    (repository) => ask(server, 'DELETE', `${artifactsOf(repository.split('/')[0] ?? '', 'app')}/v1/tags/v1`),
  ],
];
for (const [place, [what, act]] of meanwhile.entries())
  test(`an artifact that ${what} after it was decided that it goes is kept`, async () => {
    const { repository, policyId, images } = await projectWith(`meanwhile-${place}`, {}, 'v1', 'v2');
    const [{ manifest, digest } = { manifest: '', digest: '' }] = images;
    const task = taskOf(policyId, repository);
    const result = await task.run({
      async findCandidate(of, which) {
        // Where it does not look for what was done, nobody may.
        if (what === 'is pushed again as it is') {
          const found = await ports.findCandidate(of, which);
          await act(repository, manifest, digest);
          return found;
        }
        await act(repository, manifest, digest);
        await views.reached(await log.head(), []);
        return ports.findCandidate(of, which);
      },
    });
    assert.deepEqual([result.total, result.retained], [2, 2]);
    assert.equal(await statusOf(repository, digest), 200);
    const tags = { 'gets another tag': ['new', 'v1', 'v2'], 'loses its tag': ['v2'] }[what] ?? ['v1', 'v2'];
    assert.deepEqual(await tagsIn(repository), tags);
    assert.deepEqual(
      (await task.rows()).map(({ outcome }) => outcome),
      ['changed', null],
    );
    assert.match(task.lines.join('\n'), /kept sha256:\w+ v1: it was pushed, tagged or pulled meanwhile/);
  });

test('an artifact whose last pull is recorded but not shown yet is kept', async () => {
  const { repository, policyId, images } = await projectWith('unseen', {}, 'v1', 'v2');
  const [{ digest } = { digest: '' }] = images;
  const pulled = async () =>
    (await log.readStream(pullsStream(new Date()))).events.some(
      ({ data }) => (data as { readonly repository?: string }).repository === repository,
    );
  const holding = await database.pool.connect();
  try {
    const result = await taskOf(policyId, repository).run({
      async findCandidate(...given) {
        // Readers go on, and nobody applies.
        await holding.query(`BEGIN; LOCK TABLE pulls_v${pulls.version}.artifacts IN EXCLUSIVE MODE`);
        await statusOf(repository, digest);
        await until('the pull is recorded', pulled);
        const found = ports.findCandidate(...given);
        await Promise.race([found, sleep(300)]);
        await holding.query('COMMIT');
        return found;
      },
    });
    assert.deepEqual([result.total, result.retained], [2, 2]);
    assert.equal(await statusOf(repository, digest), 200);
  } finally {
    holding.release(true);
  }
});

class Killed extends Error {}

/** The ports of a process that dies at its step `last`, before or after that was done; reading is no step. */
function dyingAt(last: number, isAfter: boolean): Partial<ApplyRetentionPorts> {
  let steps = 0;
  async function step<Result>(work: () => Promise<Result>): Promise<Result> {
    steps += 1;
    if (steps > last || (steps === last && !isAfter)) throw new Killed();
    const result = await work();
    if (steps >= last) throw new Killed();
    return result;
  }
  const dyingRecord = ((...given: Parameters<typeof record>) =>
    step(() => record(...given))) as typeof record;
  const { results } = ports;
  const parts = applyRetentionPorts({
    ...{ log, database, views, results },
    store: { ...store, delete: (key) => step(() => store.delete(key)) },
    ports: {
      record: dyingRecord,
      allocateIds: idsAllocator({ log, catalogue, newEventId }),
      newJobId: randomUUID,
    },
  });
  return {
    ...parts,
    results: {
      ...results,
      replace: (...given) => step(() => results.replace(...given)),
      write: (...given) => step(() => results.write(...given)),
    },
  };
}

test('a run that is killed after any of its steps goes on, and does nothing twice', async () => {
  const { policyId, projectId, name } = await projectWith('killed', {});
  assert.ok(projectId > 0);
  let steps = 0;
  for (let isOver = false; !isOver; ) {
    steps += 1;
    for (const isAfter of [false, true]) {
      const repository = `${name}/app${steps}-${isAfter}`;
      const parts = await pushImage(server, repository, 'part', 'part');
      const signature = imageOf(parts.blob, [parts.blob], {
        subject: { mediaType: mediaTypes.image, digest: parts.digest, size: parts.manifest.length },
      });
      await push(server, repository, undefined, signature);
      const child = { mediaType: mediaTypes.image, digest: parts.digest, size: parts.manifest.length };
      await push(server, repository, 'index', indexOf([child]), mediaTypes.index);
      await ask(server, 'DELETE', `${artifactsOf(name, repository.slice(name.length + 1))}/part/tags/part`);
      await pushImage(server, repository, 'old', 'old');
      await pushImage(server, repository, 'new', 'new');
      const task = taskOf(policyId, repository);
      const before = await log.head();
      const first = await task.run(dyingAt(steps, isAfter)).then(
        () => 'over',
        (error) => {
          if (error instanceof Killed) return 'killed';
          throw error;
        },
      );
      isOver = first === 'over';
      const result = await task.run();
      assert.deepEqual(
        [result.total, result.retained, result.removed],
        [3, 1, 2],
        `step ${steps}, ${isAfter}`,
      );
      assert.deepEqual(await tagsIn(repository), ['new']);
      const deleted: string[] = [];
      for await (const events of log.readAll(before))
        for (const { type, data } of events)
          if (type === 'ManifestDeleted') deleted.push((data as { readonly digest: string }).digest);
      // The index with its part and the signature of that, and one image.
      assert.equal(deleted.length, 4, `step ${steps}, ${isAfter}`);
      assert.equal(new Set(deleted).size, 4);
    }
  }
  assert.ok(steps > 8, `there are steps: ${steps}`);
});

/** Gives the policy of the project a rule instead of what it has. */
const changeRule = (policyId: number, projectId: number, rule: object) =>
  ask(server, 'PUT', `/retentions/${policyId}`, {
    body: { scope: { level: 'project', ref: projectId }, rules: [ruleOf(rule)] },
  });

test('a run that goes on after its rules were changed decides anew', async () => {
  const { repository, projectId, policyId } = await projectWith('corrected', {}, 'v1', 'v2', 'v3');
  const task = taskOf(policyId, repository);
  await assert.rejects(task.run(dyingAt(1, true)), Killed);
  await changeRule(policyId, projectId, { template: 'always', params: {} });
  const result = await task.run();
  assert.deepEqual([result.total, result.retained, result.removed], [3, 3, 0]);
  assert.deepEqual(await tagsIn(repository), ['v1', 'v2', 'v3']);
  assert.match(task.lines.join('\n'), /what is left is decided anew: the rules are others/);
});

test('a run that goes on long after it has decided decides anew', async () => {
  const { repository, name, policyId } = await projectWith('late', {}, 'v1', 'v2');
  const task = taskOf(policyId, repository);
  await assert.rejects(task.run(dyingAt(1, true)), Killed);
  await ask(server, 'DELETE', `${artifactsOf(name, 'app')}/v2`);
  await database.pool.query(
    `UPDATE job_results.tasks SET kept_at = kept_at - interval '61 minutes' WHERE task_id = $1`,
    [tasks],
  );
  assert.equal((await task.run()).retained, 1);
  assert.deepEqual(await tagsIn(repository), ['v1']);
  assert.match(task.lines.join('\n'), /what is left is decided anew: it was decided too long ago/);
});

test('what was removed before it was decided anew stays among what a run has found', async () => {
  const { repository, projectId, policyId, images } = await projectWith('twice', {}, 'v1', 'v2', 'v3');
  const [first, second] = images.map(({ digest }) => digest);
  const task = taskOf(policyId, repository);
  const dying = task.run({
    async findCandidate(of, digest) {
      if (digest === first) return ports.findCandidate(of, digest);
      await until('the other one is gone', async () => (await task.rows())[0]?.outcome === 'removed');
      throw new Killed();
    },
  });
  await assert.rejects(dying, Killed);
  await changeRule(policyId, projectId, { template: 'always', params: {} });
  const result = await task.run();
  assert.deepEqual([result.total, result.retained, result.removed], [3, 2, 1]);
  const rows = await task.rows();
  assert.deepEqual(
    rows.map(({ digest, kept, outcome }) => [digest, kept, outcome]),
    [
      [first, false, 'removed'],
      [second, true, null],
      [images[2]?.digest, true, null],
    ],
  );
});

test('signatures go with what they sign, and stay with what stays', async () => {
  const { repository, policyId } = await projectWith('signed', {}, 'v1', 'v2');
  const blob = await pushBlob(server, repository, '{}');
  const sign = (of: { readonly digest: string; readonly manifest: string }) =>
    push(
      server,
      repository,
      undefined,
      imageOf(blob, [blob], {
        subject: { mediaType: mediaTypes.image, digest: of.digest, size: of.manifest.length },
      }),
    );
  const [old, young] = [
    await pushImage(server, repository, 'v1', 'v1'),
    await pushImage(server, repository, 'v2', 'v2'),
  ];
  const [ofOld, ofYoung] = [await sign(old), await sign(young)];
  const result = await taskOf(policyId, repository).run();
  assert.deepEqual([result.total, result.retained], [2, 1]);
  assert.deepEqual(
    await Promise.all([old, young, ofOld, ofYoung].map(({ digest }) => statusOf(repository, digest))),
    [404, 200, 404, 200],
  );
});

test('a tagged part of an index stays as long as that does, and goes after it', async () => {
  const rule = { template: 'always', params: {}, tag_selectors: [{ decoration: 'matches', pattern: 'all' }] };
  const { repository, policyId, projectId, images } = await projectWith('parts', rule, 'part');
  const [part = { digest: '', manifest: '' }] = images;
  const child = { mediaType: mediaTypes.image, digest: part.digest, size: part.manifest.length };
  await push(server, repository, 'all', indexOf([child]), mediaTypes.index);
  const first = taskOf(policyId, repository);
  assert.equal((await first.run()).retained, 2);
  assert.deepEqual(
    (await first.rows()).map(({ cause }) => cause),
    ['part-of-index', 'rule'],
  );
  const body = {
    scope: { level: 'project', ref: projectId },
    rules: [ruleOf({ params: { latestPushedK: 0 } })],
  };
  await ask(server, 'PUT', `/retentions/${policyId}`, { body });
  assert.deepEqual((await taskOf(policyId, repository).run()).retained, 0);
  assert.deepEqual(await tagsIn(repository), []);
});

test('immutable tags stay, also where the rule for them has come since', async () => {
  const { repository, name, policyId } = await projectWith('locked', {}, 'v1', 'v2', 'v3');
  const lock = (pattern: string) =>
    ask(server, 'POST', `/projects/${name}/immutabletagrules`, {
      body: {
        tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern }],
        scope_selectors: { repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }] },
      },
    });
  assert.equal((await lock('v1')).status, 201);
  const task = taskOf(policyId, repository);
  const result = await task.run({
    async findCandidate(...given) {
      await lock('v2');
      return ports.findCandidate(...given);
    },
  });
  assert.deepEqual([result.total, result.retained], [3, 3]);
  assert.deepEqual(
    (await task.rows()).map(({ cause, outcome }) => [cause, outcome]),
    [
      ['immutable', null],
      ['no-rule-keeps', 'immutable'],
      ['rule', null],
    ],
  );
  assert.deepEqual(await tagsIn(repository), ['v1', 'v2', 'v3']);
});

test('an artifact whose signature has an immutable tag stays', async () => {
  const { repository, name, policyId, images } = await projectWith('sealed', {}, 'v1', 'v2');
  const [{ manifest, digest, blob } = await pushImage(server, repository, 'x')] = images;
  const subject = { mediaType: mediaTypes.image, digest, size: manifest.length };
  await push(server, repository, 'seal', imageOf(blob, [blob], { subject }));
  const body = {
    tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern: 'seal' }],
    scope_selectors: { repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }] },
  };
  assert.equal((await ask(server, 'POST', `/projects/${name}/immutabletagrules`, { body })).status, 201);
  const task = taskOf(policyId, repository);
  assert.equal((await task.run()).retained, 2);
  assert.deepEqual(
    (await task.rows()).map(({ cause }) => cause),
    ['immutable', 'rule'],
  );
});

test('a run whose project is deleted meanwhile ends, and touches nothing of the next one of its name', async () => {
  const { repository, name, policyId, images } = await projectWith('passing', {}, 'v1', 'v2');
  const task = taskOf(policyId, repository);
  await task.run(dyingAt(1, true)).catch(() => undefined);
  for (const { digest } of images) await ask(server, 'DELETE', `${artifactsOf(name, 'app')}/${digest}`);
  await ask(server, 'DELETE', `/projects/${name}/repositories/app`);
  assert.equal((await ask(server, 'DELETE', `/projects/${name}`)).status, 200);
  await createProject(server, name);
  for (const tag of ['v1', 'v2']) await pushImage(server, repository, tag, tag);
  await views.reached(await log.head(), []);
  await assert.rejects(task.run(), /the retention policy \d+ is gone, or the project that it was for/);
  assert.deepEqual(await tagsIn(repository), ['v1', 'v2']);
});

test('a run that is stopped says so by what it has not done', async () => {
  const { repository, policyId } = await projectWith('stopped', {}, 'v1', 'v2', 'v3');
  const task = taskOf(policyId, repository);
  task.stopping.abort();
  const result = await task.run();
  assert.deepEqual([result.total, result.removed], [3, 0]);
  assert.deepEqual(await tagsIn(repository), ['v1', 'v2', 'v3']);
});

test('what runs have found goes with those that are swept out of the lists', async () => {
  const { policyId } = await projectWith('swept', {}, 'v1');
  const path = `/retentions/${policyId}/executions`;
  const kept: number[] = [];
  for (const each of [1, 2]) {
    const id = createdId(await ask(server, 'POST', path, { body: { dry_run: true } }));
    await until(
      `run ${each} is over`,
      async () => json(await ask(server, 'GET', path))[0].status === 'Success',
    );
    kept.push(json(await ask(server, 'GET', `${path}/${id}/tasks`))[0].id);
  }
  await ports.results.replace(9_999_999, [{}]);
  await database.pool.query(
    `UPDATE job_results.tasks SET kept_at = kept_at - interval '91 days' WHERE task_id = 9999999`,
  );
  const inExecutions = viewOf<ExecutionsDatabase>(database.kysely, executions);
  const sweeping = sweepExecutions({
    ...{ record, results: ports.results, journal: openPostgresJournal(database) },
    sweepExports: async () => 0,
    sweepable: (...given) => sweepableExecutions(inExecutions, ...given),
    taskIdsOf: (executionIds) => taskIdsOf(inExecutions, executionIds),
    reached: (position) => views.reached(position, [executions]),
  });
  const job = {
    ...{ kind: 'EXECUTION_SWEEP' as const, executionId: 9_999_998, taskId: 9_999_998, jobId: randomUUID() },
    ...{ vendorId: -1, parameters: { keep: 1 }, attempt: 1 },
  } as const;
  const run = { stopping: new AbortController().signal, log: () => undefined, progress: () => undefined };
  await sweeping.run(job, run);
  assert.equal(json(await ask(server, 'GET', path)).length, 1);
  const counts = [...kept, 9_999_999].map((taskId) => ports.results.count(taskId));
  assert.deepEqual(await Promise.all(counts), [undefined, 1, undefined]);
});

test('the clock runs a policy that says when, until the policy is gone', async () => {
  const cron = '0 0 0 1 1 *';
  const { repository, name, projectId, policyId } = await projectWith('clock', {}, 'v1', 'v2');
  const body = {
    scope: { level: 'project', ref: projectId },
    trigger: { settings: { cron } },
    rules: [ruleOf()],
  };
  await ask(server, 'PUT', `/retentions/${policyId}`, { body });
  const shown = json(await ask(server, 'GET', `/retentions/${policyId}`)).trigger;
  assert.match(shown.settings.next_scheduled_time, /^\d{4}-01-01T00:00:00\.000Z$/);
  const fire = fireSchedule({
    record,
    allocateIds: idsAllocator({ log, catalogue, newEventId }),
    newJobId: randomUUID,
  });
  const due = { kind: 'RETENTION', vendorId: policyId, cron, dueAt: new Date(), running: undefined } as const;
  const fired = { scheduleId: shown.references.job_id, ...due };
  assert.equal(await fire(fired, { actor: 'system' }), 'fired');
  const runs = async () => json(await ask(server, 'GET', `/retentions/${policyId}/executions`));
  await until('the run is over', async () => (await runs())[0]?.status === 'Success');
  assert.deepEqual(
    (await runs()).map(({ trigger, dry_run }: Record<string, unknown>) => [trigger, dry_run]),
    [['Schedule', false]],
  );
  assert.deepEqual(await tagsIn(repository), ['v2']);

  await ask(server, 'DELETE', `/projects/${name}/repositories/app`);
  assert.equal((await ask(server, 'DELETE', `/projects/${name}`)).status, 200);
  const { events } = await log.readStream(`schedule/RETENTION/${policyId}`);
  assert.equal(events.at(-1)?.type, 'ScheduleRemoved');
});
