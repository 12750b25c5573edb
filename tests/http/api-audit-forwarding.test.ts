import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startHttpReceiver } from '../http-receiver.ts';
import { startServer } from '../server.ts';
import { startSyslogReceiver } from '../syslog-receiver.ts';
import { until } from '../until.ts';
import { ask, createProject, createUser, json } from './api-client.ts';

const folder = await mkdtemp(join(tmpdir(), 'shiplog-forward-'));
after(() => rm(folder, { recursive: true, force: true }));
const scope = { after };
const receiver = await startHttpReceiver(scope);
const poison = 'name-that-is-refused';
receiver.answer(({ body }) => (body.includes(poison) ? { status: 422, body: 'I do not like it' } : {}));
const configuration = join(folder, 'shiplog.yml');
await writeFile(
  configuration,
  `audit:
  forward:
    - name: siem
      type: http
      url: ${receiver.url}
      token: env:TOKEN_OF_THE_SIEM
      verify: false
      types: [create_project, update_configuration, LabelCreated]
`,
);
const token = 'secret-of-the-siem';
const server = await startServer(scope, {
  environment: { SHIPLOG_CONFIG: configuration, TOKEN_OF_THE_SIEM: token },
});

interface Target {
  readonly name: string;
  readonly type: string;
  readonly position: number;
  readonly head: number;
  readonly lag_seconds: number;
  readonly last_error?: string;
  readonly refused: number;
  readonly last_refused: readonly { readonly event_id: string; readonly reason: string }[];
}
const targets = async (): Promise<readonly Target[]> => json(await ask(server, 'GET', '/audit/forwarding'));
const caughtUp = () =>
  until(
    'all targets have taken all',
    async () => (await targets()).every(({ position, head }) => position >= head),
    60_000,
  );
const set = async (body: object) =>
  assert.equal((await ask(server, 'PUT', '/configurations', { body })).status, 200);
const told = () =>
  receiver.requests.flatMap(({ body }) =>
    body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );

test('who does not check the certificate of a target is reminded of it', () => {
  const said = server.lines.filter(({ msg }) => msg?.includes('certificate of a target'));
  assert.deepEqual(
    said.map(({ target }) => target),
    ['siem'],
  );
});

test('a target is sent what was chosen for it, by operations and by types of events, and nothing else', async () => {
  await createProject(server, 'forwarded');
  await createUser(server, 'nobody-to-tell-of');
  const label = { name: 'told', scope: 'g' };
  assert.equal((await ask(server, 'POST', '/labels', { body: label })).status, 201);
  await caughtUp();
  assert.deepEqual(
    told().map(({ operation, resource, actor, actor_kind }) => [operation, resource, actor, actor_kind]),
    [
      ['create_project', 'forwarded', 'admin', 'user'],
      ['create_label', 'told', 'admin', 'user'],
    ],
  );
  for (const { headers } of receiver.requests) assert.equal(headers.authorization, `Bearer ${token}`);
  const [{ event_id, address, correlation_id, result }] = told();
  assert.match(event_id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
  assert.deepEqual([address, typeof correlation_id, result], ['127.0.0.1', 'string', 'success']);
});

test('how far each target is, what it has refused and what went wrong is told to who may read the audit log', async () => {
  await createProject(server, poison);
  await createProject(server, 'after-it');
  await caughtUp();
  await receiver.stop();
  await createProject(server, 'while-it-is-away');
  await until('it is behind', async () => {
    const [target] = await targets();
    return target !== undefined && target.last_error !== undefined && target.lag_seconds > 0;
  });
  await receiver.start();
  await caughtUp();
  const [target, ...more] = await targets();
  assert.deepEqual(more, []);
  assert.deepEqual(
    [target?.name, target?.type, target?.lag_seconds, target?.refused],
    ['siem', 'http', 0, 1],
  );
  assert.match(target?.last_error ?? '', /ECONNREFUSED|socket hang up/);
  assert.equal(target?.last_refused[0]?.reason, '422 I do not like it');
  assert.equal(told().at(-1).resource, 'while-it-is-away');

  const metrics = await (await server.fetch('/metrics')).text();
  assert.match(metrics, /^shiplog_audit_forward_lag_seconds\{target="siem"\} 0$/m);
  assert.match(metrics, /^shiplog_audit_forwarded_total\{target="siem"\} 4$/m);
  assert.match(metrics, /^shiplog_audit_forward_failures_total\{target="siem"\} [1-9]/m);
  assert.match(metrics, /^shiplog_audit_forward_refused\{target="siem"\} 1$/m);
  assert.ok(
    server.lines.some(({ level, event }) => level === 'error' && event === target?.last_refused[0]?.event_id),
  );
  for (const text of [JSON.stringify(server.lines), metrics, JSON.stringify(target)])
    assert.equal(text.includes(token), false);

  assert.equal((await ask(server, 'GET', '/audit/forwarding', { as: '' })).status, 401);
  assert.equal((await ask(server, 'GET', '/audit/forwarding', { as: 'nobody-to-tell-of' })).status, 403);
});

test('the endpoint of Harbor’s API is sent what Harbor sends, from when it is set until it is not', async (t) => {
  const lines = (of: Awaited<ReturnType<typeof startSyslogReceiver>>): readonly string[] =>
    of.read.flatMap((bytes) => bytes.toString().split('\n')).filter((line) => line !== '');
  const wordsIn = (all: readonly string[]) =>
    all.map((line) => {
      const found =
        /^<6>\S+Z localhost audit\[1\]: \S+Z \[INFO\] \[id="[0-9a-f-]{36}" operator="(\S*)" resourceType="(\S*)" time="\S+"\]: (.*)$/.exec(
          line,
        );
      assert.ok(found, line);
      return found.slice(1).join(' ');
    });
  const [first, second] = [await startSyslogReceiver(t), await startSyslogReceiver(t)];
  await set({ audit_log_forward_endpoint: `127.0.0.1:${first.port}` });
  // A row that is not written is sent all the same; one that is left out is not.
  await set({ skip_audit_log_database: true, disabled_audit_log_event_types: 'create_user' });
  await createProject(server, 'to-the-endpoint');
  await createUser(server, 'left-out');
  await caughtUp();
  assert.deepEqual(
    (await targets()).map(({ name }) => name),
    ['siem', 'audit_log_forward_endpoint'],
  );
  await set({ audit_log_forward_endpoint: `127.0.0.1:${second.port}` });
  await createProject(server, 'to-the-other');
  await caughtUp();
  await set({ skip_audit_log_database: false });
  await caughtUp();
  await set({ audit_log_forward_endpoint: '' });
  await createProject(server, 'to-nobody');
  await caughtUp();
  const changed = 'admin configuration action:update, resource:configuration';
  assert.deepEqual(wordsIn(lines(first)), [
    changed,
    changed,
    'admin project action:create, resource:to-the-endpoint',
  ]);
  assert.deepEqual(wordsIn(lines(second)), [
    changed,
    'admin project action:create, resource:to-the-other',
    changed,
  ]);
  assert.equal((await targets()).length, 1);
});
