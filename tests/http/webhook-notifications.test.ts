import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { catalogue, upcast } from '../../domain/catalogue.ts';
import { type Notification, notificationOf } from '../../domain/webhook/notification.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { ask, createdId, createProject, json } from './api-client.ts';
import { artifactsOf, indexOf, push, pushWithConfig } from './artifacts.ts';
import { imageOf, mediaTypes, pushBlob, putManifest, send } from './client.ts';
import { openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
const teamId = await createProject(server, 'team');
await createProject(server, 'other');
const blob = await pushBlob(server, 'team/app', '{}');
await pushBlob(server, 'other/app', '{}');
const manifestOf = (mark: string) => imageOf(blob, [blob], { annotations: { mark } });

/** What is told of what `work` does, as the event type and what is named. */
async function toldOf(work: () => Promise<unknown>): Promise<readonly string[]> {
  const head = await log.head();
  await work();
  return (await notificationsSince(head)).map(shown);
}

async function notificationsSince(head: bigint): Promise<readonly Notification[]> {
  const end = await log.head();
  const told: Notification[] = [];
  if (end === head) return told;
  for await (const events of log.readAll(head)) {
    told.push(
      ...events.flatMap((event) => notificationOf(upcast(catalogue, event), { robotPrefix: 'robot$' }) ?? []),
    );
    if ((events.at(-1)?.position ?? end) >= end) break;
  }
  return told;
}

const shown = ({ eventType, repository, artifacts }: Notification) =>
  `${eventType} ${repository} ${artifacts.map(({ tag }) => tag ?? '@').join(' ')}`;

test('a push is told once for each tag, and once where it has none', async () => {
  const tagged = await toldOf(() => push(server, 'team/app', 'v1', manifestOf('1')));
  assert.deepEqual(tagged, ['PUSH_ARTIFACT team/app v1']);
  const again = await toldOf(() => push(server, 'team/app', 'v1', manifestOf('1')));
  assert.deepEqual(again, []);
  const moved = await toldOf(() => push(server, 'team/app', 'v1', manifestOf('2')));
  assert.deepEqual(moved, ['PUSH_ARTIFACT team/app v1']);
  const untagged = await toldOf(() => push(server, 'team/app', undefined, manifestOf('3')));
  assert.deepEqual(untagged, ['PUSH_ARTIFACT team/app @']);
  const known = await toldOf(() => push(server, 'team/app', 'v3', manifestOf('3')));
  assert.deepEqual(known, ['PUSH_ARTIFACT team/app v3']);
  const { digest } = await push(server, 'team/app', undefined, manifestOf('4'));
  const several = await toldOf(() =>
    putManifest(server, 'team/app', `${digest}?tag=a&tag=b`, manifestOf('4')),
  );
  assert.deepEqual(several, ['PUSH_ARTIFACT team/app a', 'PUSH_ARTIFACT team/app b']);
});

test('a copy is told as pushes: of its parts, and by the tags of what was copied', async () => {
  const child = await pushWithConfig(server, 'team/whole', undefined, { architecture: 'amd64' });
  await push(server, 'team/whole', 'v1', indexOf([child.descriptor]), mediaTypes.index);
  const copied = await toldOf(async () => {
    const path = `${artifactsOf('other', 'copy')}?from=${encodeURIComponent('team/whole:v1')}`;
    assert.equal((await ask(server, 'POST', path)).status, 201);
  });
  assert.deepEqual(copied, ['PUSH_ARTIFACT other/copy @', 'PUSH_ARTIFACT other/copy v1']);
});

test('a tag that is made or deleted by itself is not told', async () => {
  const { digest } = await push(server, 'team/app', 'v5', manifestOf('5'));
  const tags = `${artifactsOf('team', 'app')}/${digest}/tags`;
  const told = await toldOf(async () => {
    assert.equal((await ask(server, 'POST', tags, { body: { name: 'extra' } })).status, 201);
    assert.equal((await ask(server, 'DELETE', `${tags}/extra`)).status, 200);
  });
  assert.deepEqual(told, []);
});

test('a deletion is told once, with the tags that went with it', async () => {
  const { digest } = await push(server, 'team/app', 'v6', manifestOf('6'));
  await push(server, 'team/app', 'v6-too', manifestOf('6'));
  const byDigest = await toldOf(() => send(server, 'DELETE', `/v2/team/app/manifests/${digest}`));
  assert.deepEqual(byDigest, ['DELETE_ARTIFACT team/app v6 v6-too']);
  const untagged = await push(server, 'team/app', undefined, manifestOf('7'));
  const byApi = await toldOf(() => ask(server, 'DELETE', `${artifactsOf('team', 'app')}/${untagged.digest}`));
  assert.deepEqual(byApi, ['DELETE_ARTIFACT team/app @']);
});

test('a pull is told by what was asked for', async () => {
  const { digest } = await push(server, 'team/app', 'v8', manifestOf('8'));
  const head = await log.head();
  await send(server, 'GET', '/v2/team/app/manifests/v8');
  await send(server, 'GET', `/v2/team/app/manifests/${digest}`);
  await until('both pulls are recorded', async () => (await notificationsSince(head)).length === 2);
  const told = await notificationsSince(head);
  assert.deepEqual(told.map(shown).toSorted(), ['PULL_ARTIFACT team/app @', 'PULL_ARTIFACT team/app v8']);
  assert.deepEqual(
    told.map(({ projectId, operator }) => [projectId, operator]),
    [
      [teamId, 'admin'],
      [teamId, 'admin'],
    ],
  );
});

test('a run of retention is told once where it removed something, beside each deletion, and a dry run never', async () => {
  const projectId = await createProject(server, 'kept');
  await pushBlob(server, 'kept/app', '{}');
  for (const mark of ['1', '2', '3']) await push(server, 'kept/app', `v${mark}`, manifestOf(mark));
  const rule = {
    ...{ template: 'latestPushedK', params: { latestPushedK: 2 } },
    tag_selectors: [{ decoration: 'matches', pattern: '**' }],
    scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: '**' }] },
  };
  const body = { scope: { level: 'project', ref: projectId }, rules: [rule] };
  const policyId = createdId(await ask(server, 'POST', '/retentions', { body }));
  const runs = `/retentions/${policyId}/executions`;
  const run = async (dryRun: boolean) => {
    createdId(await ask(server, 'POST', runs, { body: { dry_run: dryRun } }));
    await until(
      'all runs are over',
      async () =>
        json(await ask(server, 'GET', runs)).every(({ status }: { status: string }) => status === 'Success'),
      30_000,
    );
  };
  assert.deepEqual(await toldOf(() => run(true)), []);
  const head = await log.head();
  await run(false);
  const told = await notificationsSince(head);
  assert.deepEqual(told.map(shown), ['DELETE_ARTIFACT kept/app v1', 'TAG_RETENTION kept/app ']);
  const { operator, retention } = told[1] as Notification;
  assert.equal(operator, 'MANUAL');
  assert.deepEqual(
    [retention?.policyId, retention?.total, retention?.retained, retention?.deleted.length],
    [policyId, 3, 2, 1],
  );
  assert.deepEqual(await toldOf(() => run(false)), [], 'nothing more to remove');
});
