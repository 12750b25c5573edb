import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateways } from '../gateways.ts';
import { ask, createdId, createProject, json } from '../http/api-client.ts';
import { digestOf, pushBlob, pushImage, send } from '../http/client.ts';
import type { TestServer } from '../server.ts';
import { until } from '../until.ts';

const blobs = 120;

test('whatever happens to two gateways and their database, a collection ends with what it should remove gone, and nothing else', async (t) => {
  const { one, other, cut, openLog } = await startGateways(t, {
    SHIPLOG_GARBAGE_COLLECTION_GRACE_HOURS: '0',
    SHIPLOG_GARBAGE_COLLECTION_DELAY_HOURS: '0',
  });
  const log = await openLog();
  const kept = await pushImage(one, 'library/kept', '1.0', 'kept');

  await t.test('both begin one at once: one works at a time, and both end', async () => {
    const contents = await pushGarbage(one, 'library/at-once');
    const ids = await Promise.all([begin(one), begin(other)]);
    const runs = await Promise.all(ids.map((id) => ended(other, id)));
    assert.deepEqual(
      runs.map(({ job_status }) => job_status),
      ['Success', 'Success'],
    );
    const removed = runs.map(({ job_parameters }) => JSON.parse(job_parameters).purged_blobs);
    assert.equal(removed[0] + removed[1], blobs);
    const told: string[] = [];
    for await (const events of log.readAll(0n))
      for (const { type } of events) if (type.startsWith('GarbageCollection')) told.push(type);
    assert.deepEqual(
      told,
      ['Started', 'Finished', 'Started', 'Finished'].map((each) => `GarbageCollection${each}`),
    );
    await areGone(one, 'library/at-once', contents);
  });

  await t.test(
    'the one that works is killed: the work is done by the other, or by itself again',
    async () => {
      const contents = await pushGarbage(one, 'library/killed');
      const id = await begin(one);
      await until(
        'a blob is condemned',
        async () => (await absent(one, 'HEAD', 'library/killed', contents)) > 0,
      );
      await Promise.all([one.stop('SIGKILL'), other.stop('SIGKILL')]);
      await one.start();
      await other.start();
      const run = await ended(other, id);
      assert.equal(run.job_status, 'Success');
      await areGone(other, 'library/killed', contents);
    },
  );

  await t.test('the database is away in the middle: it goes on when that is over', async () => {
    const contents = await pushGarbage(one, 'library/outage');
    const id = await begin(one);
    await until(
      'a blob is condemned',
      async () => (await absent(one, 'HEAD', 'library/outage', contents)) > 0,
    );
    const restore = await cut();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await restore();
    const run = await ended(one, id);
    assert.equal(run.job_status, 'Success', (await ask(one, 'GET', `/system/gc/${id}/log`)).body.toString());
    await areGone(one, 'library/outage', contents);
  });

  await t.test(
    'a project is deleted in the middle: there is nothing left for the run to do there',
    async () => {
      await createProject(one, 'short-lived');
      const contents = await pushGarbage(one, 'short-lived/app');
      const id = await begin(one);
      const deleted = await ask(other, 'DELETE', '/projects/short-lived');
      assert.equal(deleted.status, 200, deleted.body.toString());
      const run = await ended(one, id);
      assert.equal(run.job_status, 'Success');
      await areGone(one, 'short-lived/app', contents);
    },
  );

  for (const gateway of [one, other]) {
    const manifest = await send(gateway, 'GET', '/v2/library/kept/manifests/1.0');
    assert.equal(digestOf(manifest.body), kept.digest);
    const blob = await send(gateway, 'GET', `/v2/library/kept/blobs/${kept.blob.digest}`);
    assert.equal(digestOf(blob.body), kept.blob.digest);
  }
  assert.equal((await one.run('verify')).code, 0);
});

async function pushGarbage(server: TestServer, repository: string): Promise<string[]> {
  const contents = Array.from({ length: blobs }, (_, index) => `garbage ${index} of ${repository}`);
  for (let each = 0; each < blobs; each += 20)
    await Promise.all(
      contents.slice(each, each + 20).map((content) => pushBlob(server, repository, content)),
    );
  return contents;
}

const begin = async (server: TestServer): Promise<number> =>
  createdId(
    await ask(server, 'POST', '/system/gc/schedule', {
      body: { schedule: { type: 'Manual' }, parameters: { workers: 1 } },
    }),
  );

/** The run when it has ended. */
async function ended(server: TestServer, id: number) {
  let run = { job_status: '', job_parameters: '' };
  await until(
    `run ${id} has ended`,
    async () => {
      const answer = await ask(server, 'GET', `/system/gc/${id}`);
      if (answer.status === 200) run = json(answer);
      return ['Success', 'Error', 'Stopped'].includes(run.job_status);
    },
    90_000,
  );
  return run;
}

/** How many of the blobs are answered with 404. */
async function absent(
  server: TestServer,
  method: 'GET' | 'HEAD',
  repository: string,
  contents: readonly string[],
): Promise<number> {
  const answers = await Promise.all(
    contents.map((content) => send(server, method, `/v2/${repository}/blobs/${digestOf(content)}`)),
  );
  return answers.filter(({ status }) => status === 404).length;
}

async function areGone(server: TestServer, repository: string, contents: readonly string[]): Promise<void> {
  assert.equal(await absent(server, 'GET', repository, contents), contents.length, 'all are gone');
}
