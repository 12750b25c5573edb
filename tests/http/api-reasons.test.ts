import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { ask, createdId, createUser, personOf } from './api-client.ts';
import { mediaTypes, pushImage, refusalOf, send } from './client.ts';
import { eventsOf, openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
const userId = await createUser(server, 'dev');

/** As a client sends them that knows no other than single-byte headers. */
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1');

const change = (reason: string) =>
  ask(server, 'PUT', `/users/${userId}/sysadmin`, {
    body: { sysadmin_flag: false },
    headers: { 'X-Shiplog-Reason': reason },
  });

test('any change can say why, in any language, and the log keeps it with the change', async () => {
  const reason = 'Joined the team – größer als gedacht';
  const headers = { 'content-type': 'application/json', 'X-Shiplog-Reason': bytesOf(reason) };
  const body = Buffer.from(JSON.stringify(personOf('joiner')));
  createdId(await send(server, 'POST', '/api/v2.0/users', { body, headers }));
  const [created] = await eventsOf(log, 'user/joiner');
  assert.deepEqual([created?.type, created?.metadata.reason], ['UserCreated', reason]);
});

test('a push can say why', async () => {
  const { manifest } = await pushImage(server, 'library/app', 'v1');
  const pushed = await send(server, 'PUT', '/v2/library/app/manifests/v2', {
    body: manifest,
    headers: { 'content-type': mediaTypes.image, 'X-Shiplog-Reason': 'the second name' },
  });
  assert.equal(pushed.status, 201);
  const [assigned] = await eventsOf(log, 'tag/library/app:v2');
  assert.equal(assigned?.metadata.reason, 'the second name');
});

test('a reason that is too long or holds what no one can see is refused, and nothing is changed', async () => {
  for (const reason of ['x'.repeat(1001), 'a\tb'])
    assert.deepEqual(refusalOf(await change(reason)), [400, 'BAD_REQUEST'], reason.slice(0, 10));
  assert.equal((await change(`  ${'x'.repeat(1000)}  `)).status, 200);
  assert.equal((await change('')).status, 200);
});

test('every way to change something takes a reason, and the audit log shows it', async () => {
  let count = 0;
  const expected: [reason: string, operation: string][] = [];
  /** A write that the audit log tells of as `operation`, with a reason of its own. */
  async function write(
    operation: string,
    method: string,
    path: string,
    body?: object | Buffer,
    headers = {},
  ) {
    const reason = `reason ${++count} to ${operation}`;
    const answer = await send(server, method, path.startsWith('/') ? path : `/api/v2.0/${path}`, {
      ...(body !== undefined && { body: body instanceof Buffer ? body : Buffer.from(JSON.stringify(body)) }),
      headers: { 'content-type': 'application/json', ...headers, 'X-Shiplog-Reason': reason },
    });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body}`);
    expected.push([reason, operation]);
    return answer;
  }
  const idOf = (answer: Awaited<ReturnType<typeof write>>) =>
    String(answer.headers.location).split('/').at(-1);
  const { manifest, digest } = await pushImage(server, 'library/reasons', 'v0');
  const image = { 'content-type': mediaTypes.image };

  await write('create_project', 'POST', 'projects', { project_name: 'reasons' });
  await write('update_project', 'PUT', 'projects/reasons', { metadata: { auto_scan: 'true' } });
  await write('update_project', 'PUT', 'projects/reasons/metadatas/severity', { severity: 'high' });
  const person = await write('create_user', 'POST', 'users', personOf('reasoned'));
  await write('update_user', 'PUT', `users/${idOf(person)}/sysadmin`, { sysadmin_flag: true });
  const member = await write('create_member', 'POST', 'projects/reasons/members', {
    ...{ role_id: 2, member_user: { username: 'reasoned' } },
  });
  await write('update_member', 'PUT', `projects/reasons/members/${idOf(member)}`, { role_id: 1 });
  await write('delete_member', 'DELETE', `projects/reasons/members/${idOf(member)}`);
  await write('delete_user', 'DELETE', `users/${idOf(person)}`);
  const permissions = [
    { kind: 'project', namespace: 'reasons', access: [{ resource: 'repository', action: 'pull' }] },
  ];
  const robot = await write('create_robot', 'POST', 'robots', {
    ...{ name: 'ci', level: 'project', duration: 5, permissions },
  });
  await write('update_robot_secret', 'PATCH', `robots/${idOf(robot)}`, {});
  await write('delete_robot', 'DELETE', `robots/${idOf(robot)}`);
  const label = await write('create_label', 'POST', 'labels', { name: 'reasoned', scope: 'g' });
  const artifact = `projects/library/repositories/reasons/artifacts/${digest}`;
  await write('attach_label', 'POST', `${artifact}/labels`, { id: Number(idOf(label)) });
  await write('detach_label', 'DELETE', `${artifact}/labels/${idOf(label)}`);
  await write('delete_label', 'DELETE', `labels/${idOf(label)}`);
  await write('update_repository', 'PUT', 'projects/library/repositories/reasons', {
    description: 'of a test',
  });
  const rule = await write('create_immutable_rule', 'POST', 'projects/reasons/immutabletagrules', {
    tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern: 'v*' }],
    scope_selectors: { repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }] },
  });
  await write('delete_immutable_rule', 'DELETE', `projects/reasons/immutabletagrules/${idOf(rule)}`);
  await write('update_configuration', 'PUT', 'configurations', { token_expiration: 31 });
  await write('update_cve_allowlist', 'PUT', 'system/CVEAllowlist', {
    items: [{ cve_id: 'CVE-2021-44228' }],
  });
  await write('set_schedule', 'POST', 'system/gc/schedule', {
    schedule: { type: 'Weekly', cron: '0 0 0 * * 0' },
  });
  await write('create_tag', 'POST', `${artifact}/tags`, { name: 'named' });
  await write('delete_tag', 'DELETE', `${artifact}/tags/named`);
  await write('create_artifact', 'PUT', '/v2/library/reasons/manifests/v1', Buffer.from(manifest), image);
  await write('delete_tag', 'DELETE', '/v2/library/reasons/manifests/v1');
  await write('delete_artifact', 'DELETE', `/v2/library/reasons/manifests/${digest}`);
  await write('delete_project', 'DELETE', 'projects/reasons');
  const login = new URLSearchParams({
    ...{ grant_type: 'password', service: 'harbor-registry', client_id: 'a test' },
    ...{ username: 'nobody', password: 'wrong' },
  });
  const refused = await send(server, 'POST', '/service/token', {
    body: Buffer.from(String(login)),
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'X-Shiplog-Reason': 'to get in' },
  });
  assert.equal(refused.status, 401);
  expected.push(['to get in', 'login_user']);

  // Logins are recorded a moment later.
  for (const [reason, operation] of expected)
    await until(`the audit log shows: ${reason}`, async () => {
      const found = await ask(server, 'GET', `/audit/entries?reason=${encodeURIComponent(reason)}`);
      const entries: { operation: string; reason: string }[] = JSON.parse(found.body.toString());
      return entries.some((entry) => entry.operation === operation && entry.reason === reason);
    });
  assert.ok(expected.length >= 27);
});
