import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ask, createdId, createProject, json } from '../http/api-client.ts';
import { pushImage } from '../http/client.ts';
import { openLogOf } from '../http/server-log.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';

const images = 40;

test('a run of a retention policy whose server is killed again and again removes each artifact once', async (t) => {
  const server = await startServer(t);
  const ref = await createProject(server, 'team');
  const rule = {
    template: 'latestPushedK',
    params: { latestPushedK: 5 },
    tag_selectors: [{ decoration: 'matches', pattern: '**' }],
    scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: '**' }] },
  };
  const body = { scope: { level: 'project', ref }, rules: [rule] };
  const policyId = createdId(await ask(server, 'POST', '/retentions', { body }));
  for (let image = 1; image <= images; image += 1)
    await pushImage(server, `team/app${image % 2}`, `v${image}`, String(image));

  const path = `/retentions/${policyId}/executions`;
  const id = createdId(await ask(server, 'POST', path, { body: { dry_run: false } }));
  for (const ms of [300, 900]) {
    await pause(ms);
    await server.stop('SIGKILL');
    await server.start();
  }
  await until(
    'the run is over',
    async () => json(await ask(server, 'GET', path))[0].status === 'Success',
    60_000,
  );

  const tasks = json(await ask(server, 'GET', `${path}/${id}/tasks`));
  assert.deepEqual(
    tasks.map(({ total, retained }: { total: number; retained: number }) => [total, retained]),
    [
      [images / 2, 5],
      [images / 2, 5],
    ],
  );
  const deleted: string[] = [];
  for await (const events of (await openLogOf(t, server)).readAll(0n))
    for (const { type, data, metadata } of events)
      if (type === 'ManifestDeleted') {
        const { repository, digest } = data as { readonly repository: string; readonly digest: string };
        deleted.push(`${repository}@${digest}`);
        assert.equal(metadata.correlationId, `execution/${id}`);
        assert.equal(metadata.reason, `retention policy ${policyId}`);
      }
  assert.equal(deleted.length, images - 10);
  assert.equal(new Set(deleted).size, deleted.length);
});
