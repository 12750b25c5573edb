import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUser, password } from '../http/api-client.ts';
import { pushImage } from '../http/client.ts';
import { startServer } from '../server.ts';
import { startContainerTools, type Turn } from './container-tools.ts';

const MiB = 2 ** 20;

// What it asks at a terminal it reads there alone, so that it is given one where it cannot be told without questions.
test("Harbor's command line governs what projects hold and what is done in the background", async (t) => {
  const tools = await startContainerTools(t, ['harbor', 'script'], {
    mayBeMissing: 'the module proxy that .ci/install-tools builds it from may not have it',
  });
  if (tools === undefined) return;
  const server = await startServer(t);
  const harbor = (...args: string[]) => tools.tell('harbor', ...args);
  const converse = (turns: readonly Turn[], ...args: string[]) => tools.converse(turns, 'harbor', ...args);
  const json = async (...args: string[]) => JSON.parse(await tools.run('harbor', ...args, '-o', 'json'));
  const payload = async (...args: string[]) => (await json(...args)).Payload;
  await harbor('login', server.url, '-u', 'admin', '-p', server.password);
  await harbor('project', 'create', 'team', '--storage-limit=-1');
  await harbor('project', 'create', 'bounded', `--storage-limit=${8 * MiB}`);
  await pushImage(server, 'team/app', 'v1');

  await t.test('quotas are listed, shown and changed by their number and by their project', async () => {
    const limits = async (...args: string[]) =>
      (await payload('quota', 'list', ...args)).map(
        ({ ref, hard }: { ref: { name: string }; hard: { storage: number } }) => [ref.name, hard.storage],
      );
    assert.deepEqual(await limits(), [
      ['bounded', 8 * MiB],
      ['team', -1],
      ['library', -1],
    ]);
    assert.deepEqual((await limits('--sort', 'hard.storage')).at(-1), ['bounded', 8 * MiB]);
    assert.deepEqual(await limits('--page', '2', '--page-size', '2'), [['library', -1]]);
    const { id, ref } = await json('quota', 'view', '--project-name', 'bounded');
    assert.deepEqual(await limits('--ref', 'project', '--refid', String(ref.id)), [['bounded', 8 * MiB]]);
    assert.deepEqual((await json('quota', 'view', '--project-id', String(ref.id))).id, id);

    assert.match(await harbor('quota', 'update', String(id), '--storage', '20MiB'), /updated successfully/);
    assert.equal((await json('quota', 'view', String(id))).hard.storage, 20 * MiB);
    await harbor('quota', 'update', '--project-name', 'bounded', '--storage', '1GiB');
    assert.equal((await json('quota', 'view', String(id))).hard.storage, 1024 * MiB);
    await harbor('quota', 'update', '--project-id', String(ref.id), '--storage', '-1');
    assert.equal((await json('quota', 'view', String(id))).hard.storage, -1);
    assert.ok((await json('quota', 'view', '--project-name', 'team')).used.storage > 0);

    await assert.rejects(harbor('quota', 'view', '999'), /404/);
    await assert.rejects(harbor('quota', 'update', '999', '--storage', '1GiB'), /404/);
    assert.match(await converse([], 'quota', 'list'), /bounded +admin +0 MiB of Unlimited/);
    assert.match(await converse([['Select a Quota', '\r']], 'quota', 'view', '-o', 'json'), /"bounded"/);
  });

  await t.test('rules for immutable tags are created, keep tags, are listed and removed', async () => {
    const create = (decoration: string, repositories: string, tags: string) =>
      converse(
        [
          ['between 1 and 2:', `${decoration}\n`],
          ['List of repositories', `${repositories}\n`],
          ['between 1 and 2:', `${decoration}\n`],
          ['List of Tags', `${tags}\n`],
        ],
        ...['tag', 'immutable', 'create', 'team'],
      );
    assert.match(await harbor('tag', 'immutable', 'list', 'team'), /No immutable tag rules found/);
    assert.match(await create('1', '**', 'v*'), /Added Tag Immutability Rule/);
    assert.match(await create('2', 'deep/{a,b}', 'latest'), /Added/);
    await assert.rejects(create('1', '**', 'v*'), { stdout: /status 409/ });
    await assert.rejects(harbor('tag', 'immutable', 'list', 'none'), /status 404/);
    const rules = await json('tag', 'immutable', 'list', 'team');
    const patternOf = (rule: Record<string, never>) => {
      const { tag_selectors, scope_selectors } = rule as Record<string, Record<string, object[]>>;
      return [scope_selectors?.repository?.[0], (tag_selectors as unknown as object[])[0]];
    };
    const kind = 'doublestar';
    assert.deepEqual(rules.map(patternOf), [
      [
        { kind, decoration: 'repoMatches', pattern: '**' },
        { kind, decoration: 'matches', pattern: 'v*' },
      ],
      [
        { kind, decoration: 'repoExcludes', pattern: 'deep/{a,b}' },
        { kind, decoration: 'excludes', pattern: 'latest' },
      ],
    ]);
    assert.match(await converse([], 'tag', 'immutable', 'list', 'team'), /repoMatches \*\* +matches v\*/);

    await assert.rejects(harbor('artifact', 'tags', 'delete', 'team/app:v1', 'v1'), /412/);
    await assert.rejects(harbor('artifact', 'delete', 'team/app:v1'), /412/);
    const first: Turn = ['> 1. for the repoMatches **', '\r'];
    for (const turn of [first, ['> 1. for the repoExcludes', '\r'] as const])
      assert.match(await converse([turn], 'tag', 'immutable', 'delete', 'team'), /deleted successfully/);
    assert.deepEqual(await json('tag', 'immutable', 'list', 'team'), []);
    await harbor('artifact', 'tags', 'create', 'team/app:v1', 'v2');
    await harbor('artifact', 'tags', 'delete', 'team/app:v1', 'v2');
  });

  await t.test('rules of retention are created, listed and removed', async () => {
    const create = (template: string, amount: string, tags: string, ...project: string[]) =>
      converse(
        [
          ['between 1 and 2:', '1\n'],
          ['List of repositories', '**\n'],
          ['between 1 and 2:', '1\n'],
          ['List of Tags', `${tags}\n`],
          // Whether it is for what has no tag.
          ['between 1 and 2:', '1\n'],
          ['between 1 and 5:', `${template}\n`],
          // It asks for both, whichever it needs, if any.
          ['Count', `${amount}\n`],
          ['Days', `${amount}\n`],
        ],
        ...['tag', 'retention', 'create', ...project],
      );
    const list = (...project: string[]) => payload('tag', 'retention', 'list', ...project);
    await assert.rejects(harbor('tag', 'retention', 'list', '-p', 'team'), /No retention policy exists/);
    assert.match(await create('1', '10', '**', '-p', 'team'), /Created new Tag Retention Policy/);
    assert.match(await create('3', '7', 'v*', '-p', 'team'), /Updated existing retention policy/);
    await assert.rejects(create('3', '7', 'v*', '-p', 'team'), { stdout: /status 409/ });
    const { algorithm, scope, rules } = await list('-p', 'team');
    assert.deepEqual([algorithm, scope.level], ['or', 'project']);
    assert.deepEqual(
      rules.map(({ template, params }: Record<string, unknown>) => [template, params]),
      [
        ['latestPushedK', { latestPushedK: 10 }],
        ['nDaysSinceLastPush', { nDaysSinceLastPush: 7 }],
      ],
    );
    assert.match(await converse([], 'tag', 'retention', 'list', '-p', 'team'), /latestPushedK: 10/);
    const { project_id } = await payload('project', 'view', 'bounded');
    await create('5', '1', '**', '-i', String(project_id));
    assert.equal((await list('-i', String(project_id))).rules[0].template, 'always');

    // It takes the number of the chosen rule, which counts from one, for an index, which counts from zero.
    const first: Turn = ['> 1. ID: 1', '\r'];
    assert.match(await converse([first], 'tag', 'retention', 'delete', '-p', 'team'), /deleted successfully/);
    assert.deepEqual((await list('-p', 'team')).rules.length, 1);
  });

  await t.test('webhook policies are created, listed, changed and removed', async () => {
    const settings = (type: string, events: string) =>
      `--project team --notify-type ${type} --event-type ${events}`.split(' ');
    const create = (name: string, ...more: string[]) => harbor('webhook', 'create', name, ...more);
    // After what is asked for it also draws a table.
    const list = async () => {
      const shown = await converse([], 'webhook', 'list', 'team', '-o', 'json');
      return JSON.parse(shown.slice(0, shown.indexOf('\n}\n') + 2)).Payload;
    };
    const chat = settings('http', 'PUSH_ARTIFACT,DELETE_ARTIFACT');
    const address = 'https://example.com/hook';
    const told = await create('chat', ...chat, '--endpoint-url', address, '--auth-header', 'Bearer x');
    assert.match(told, /created successfully/);
    await create('talk', ...settings('slack', 'TAG_RETENTION'), '--endpoint-url', address);
    await assert.rejects(create('chat', ...chat, '--endpoint-url', address), /status 409/);
    await assert.rejects(create('new', ...settings('http', 'PUSHED'), '--endpoint-url', address), /400/);
    const [talk, first] = await list();
    assert.deepEqual(
      [talk.name, first.name, first.event_types, first.enabled, first.targets],
      [
        ...['talk', 'chat', ['PUSH_ARTIFACT', 'DELETE_ARTIFACT'], true],
        [{ type: 'http', address, auth_header: 'Bearer x', payload_format: 'Default' }],
      ],
    );
    await harbor(
      ...['webhook', 'edit', 'chat', ...settings('http', 'PULL_ARTIFACT'), '--endpoint-url', address],
      ...['--payload-format', 'CloudEvents', '--enabled=false'],
    );
    // Whom it names by the number it changes without a name.
    const byNumber = ['--webhook-id', String(talk.id), ...settings('slack', 'QUOTA_EXCEED')];
    await harbor('webhook', 'edit', ...byNumber, '--endpoint-url', address);
    const [changedTalk, changed] = await list();
    assert.deepEqual([changedTalk.name, changedTalk.event_types], ['talk', ['QUOTA_EXCEED']]);
    assert.deepEqual(
      [changed.name, changed.enabled, changed.targets[0].payload_format],
      ['chat', false, 'CloudEvents'],
    );
    // What is left empty stays, but for the address, which it asks for again.
    const edit: readonly Turn[] = [
      ['> 1. talk', '\r'],
      ['Name', 'said\n'],
      ['Description', '\n'],
      // The type, whether it is enabled, and the format.
      ...['1\n', '1\n', '1\n'].map((keys) => ['between 1 and 2:', keys] as const),
      ['Endpoint URL', `${address}\n`],
      ['Auth Header', 'Bearer y\n'],
      // Beside what is chosen, the first in the list; then it is done.
      ...['1\n', '0\n'].map((keys) => ['between 0 and 10:', keys] as const),
      // Whether the certificate is verified.
      ['between 1 and 2:', '2\n'],
    ];
    assert.match(await converse(edit, 'webhook', 'edit', '--project', 'team'), /Updated successfully/);
    const [said] = await list();
    assert.deepEqual(
      [said.id, said.name, said.event_types.toSorted(), said.targets],
      [
        ...[talk.id, 'said', ['DELETE_ARTIFACT', 'QUOTA_EXCEED']],
        [
          {
            ...{ type: 'http', address, auth_header: 'Bearer y', payload_format: 'Default' },
            skip_cert_verify: true,
          },
        ],
      ],
    );
    assert.match(await harbor('webhook', 'delete', 'chat', '--project', 'team'), /deleted successfully/);
    await harbor('webhook', 'delete', '--webhook-id', String(talk.id), '--project', 'team');
    await assert.rejects(
      harbor('webhook', 'delete', '--webhook-id', String(talk.id), '--project', 'team'),
      /404/,
    );
    assert.match(await harbor('webhook', 'list', 'library'), /No webhooks found/);
  });

  await t.test('queues of jobs are listed, paused, resumed and emptied, and schedules listed', async () => {
    const paused = async () =>
      (await json('jobservice', 'queues', 'list'))
        .filter((queue: { paused: boolean }) => queue.paused)
        .map(({ job_type }: { job_type: string }) => job_type);
    assert.match(await harbor('jobservice', 'queues', 'list'), /Total: 13 queue/);
    const queues = (action: string, ...types: string[]) =>
      harbor('jobservice', 'queues', action, ...types.flatMap((type) => ['--type', type]));
    assert.match(await queues('pause', 'RETENTION', 'replication'), /'replication' paused successfully/);
    assert.deepEqual(await paused(), ['REPLICATION', 'RETENTION']);
    await queues('resume', 'retention');
    assert.deepEqual(await paused(), ['REPLICATION']);
    await queues('pause', 'all');
    assert.equal((await paused()).length, 13);
    await queues('stop', 'all');
    await queues('resume', 'all');
    assert.deepEqual(await paused(), []);
    await assert.rejects(queues('pause', 'none'), /not found/);
    const chosen: readonly Turn[] = [
      ['between 0 and 14:', '2\n'],
      ['between 0 and 14:', '0\n'],
    ];
    await converse(chosen, 'jobservice', 'queues', 'pause', '--interactive');
    assert.deepEqual(await paused(), ['GARBAGE_COLLECTION']);
    await queues('resume', 'GARBAGE_COLLECTION');

    const schedule = {
      schedule: { type: 'Custom', cron: '0 15 4 * * *' },
      parameters: { audit_retention_hour: 24, include_event_types: 'pull_artifact' },
    };
    const set = await server.fetch('/api/v2.0/system/purgeaudit/schedule', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(schedule),
    });
    assert.equal(set.status, 201);
    const schedules = await payload('schedule', 'list', '--page-size', '100');
    const cronOf = (type: string) =>
      schedules.find(({ vendor_type }: Record<string, string>) => vendor_type === type)?.cron;
    assert.equal(cronOf('PURGE_AUDIT_LOG'), '0 15 4 * * *');
    assert.ok(cronOf('GARBAGE_COLLECTION'));
    assert.match(await converse([], 'schedule', 'list'), /0 15 4 \* \* \* +PURGE_AUDIT_LOG/);
  });

  await t.test('the logs tell what was done, to each what is theirs to know', async () => {
    const told = async (...args: string[]) =>
      (await json(...args)).map((row: Record<string, string>) => [
        row.username,
        row.operation,
        row.resource_type,
        row.resource,
      ]);
    const created = await told('logs', '-q', 'operation=create,resource_type=project', '--sort', 'op_time');
    assert.deepEqual(created, [
      ['admin', 'create', 'project', 'team'],
      ['admin', 'create', 'project', 'bounded'],
    ]);
    assert.equal((await told('logs', '--page-size', '2')).length, 2);
    const pushed = ['admin', 'create', 'artifact', 'team/app:v1'];
    assert.deepEqual(await told('project', 'logs', 'team', '-q', 'resource_type=artifact'), [pushed]);
    assert.match(await converse([], 'project', 'logs', 'team'), /admin +team\/app:v1 +artifact +create/);
    assert.match(await converse([], 'logs', '--page-size', '100'), /admin +bounded +project +create/);
    await assert.rejects(harbor('logs', '-q', 'operation', '-o', 'json'), /400/);
    await assert.rejects(harbor('project', 'logs', 'none'), /project none does not exist/);

    await createUser(server, 'stranger');
    await harbor('login', server.url, '-u', 'stranger', '-p', password);
    assert.deepEqual(await told('logs'), []);
    for (const command of [
      ['quota', 'list'],
      ['schedule', 'list'],
    ])
      await assert.rejects(harbor(...command, '-o', 'json'), /403/);
    await assert.rejects(harbor('jobservice', 'queues', 'list'), /denied|forbidden/i);
  });
});
