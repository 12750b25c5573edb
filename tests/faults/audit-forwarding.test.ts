import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { makeCertificate } from '../certificate.ts';
import { startGateways } from '../gateways.ts';
import { api, ask } from '../http/api-client.ts';
import { type HttpReceiver, startHttpReceiver } from '../http-receiver.ts';
import { type RsyslogServer, startRsyslog } from '../rsyslog-server.ts';
import { startServer, type TestServer } from '../server.ts';
import { parseRfc5424 } from '../syslog-receiver.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-forward-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A file of configuration with these targets. */
async function configured(folder: string, ...targets: readonly object[]): Promise<string> {
  const file = join(folder, 'shiplog.yml');
  // JSON is YAML.
  await writeFile(file, JSON.stringify({ audit: { forward: targets } }));
  return file;
}

/** Creates projects of these names; resolves when all are there. */
async function createProjects(server: TestServer, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const body = { project_name: name, metadata: { public: 'false' } };
    assert.equal((await ask(server, 'POST', '/projects', { body })).status, 201);
  }
}
const named = (of: string, many: number) => Array.from({ length: many }, (_, nth) => `${of}-${nth}`);

interface Told {
  readonly id: string;
  readonly operation: string;
  readonly resource: string;
}
/** The names of the projects that were created, and with which ids, in the order of their first mention. */
function projectsIn(told: readonly Told[]): Map<string, Set<string>> {
  const ids = new Map<string, Set<string>>();
  for (const { id, operation, resource } of told)
    if (operation === 'create_project') ids.set(resource, (ids.get(resource) ?? new Set()).add(id));
  return ids;
}
function assertOnceInOrder(told: readonly Told[], names: readonly string[]): void {
  const found = projectsIn(told);
  assert.deepEqual([...found.keys()], names);
  for (const [name, ids] of found) assert.equal(ids.size, 1, `${name} has one id, however often it came`);
}

const toldBySyslog = async (rsyslog: RsyslogServer): Promise<readonly Told[]> =>
  (await rsyslog.messages()).map((bytes) => {
    const { text, structured } = parseRfc5424(bytes);
    const { event_id, operation, resource } = JSON.parse(text);
    assert.equal(structured['shiplog@32473']?.id, event_id);
    return { id: event_id, operation, resource };
  });
const toldByHttp = ({ requests }: HttpReceiver): readonly Told[] =>
  requests.flatMap(({ body }) =>
    body
      .trimEnd()
      .split('\n')
      .map((line) => {
        const { event_id: id, operation, resource } = JSON.parse(line);
        return { id, operation, resource };
      }),
  );

/** Resolves when all targets have taken all that is recorded. */
async function allTaken(server: TestServer): Promise<void> {
  await until(
    'all targets have taken all',
    async () => {
      const answer = await server.fetch(`${api}/audit/forwarding`);
      const targets = (await answer.json()) as { position: number; head: number }[];
      return targets.length > 0 && targets.every(({ position, head }) => position >= head);
    },
    90_000,
  );
}

test('a real rsyslogd has all of the audit log over TCP and TLS, whoever is killed meanwhile', async (t) => {
  const rsyslogd = requireTool(t, 'rsyslogd');
  const openssl = requireTool(t, 'openssl');
  if (rsyslogd === undefined || openssl === undefined) return;
  const folder = await folderOf(t);
  const certificate = makeCertificate(openssl, folder, 'rsyslog');
  const plain = await startRsyslog(t, rsyslogd);
  const encrypted = await startRsyslog(t, rsyslogd, certificate);
  const syslog = { type: 'syslog', format: 'json' };
  const file = await configured(
    folder,
    { name: 'plain', ...syslog, url: `tcp://127.0.0.1:${plain.port}` },
    { name: 'encrypted', ...syslog, url: `tls://localhost:${encrypted.port}`, ca: certificate.certificate },
  );
  const server = await startServer(t, { environment: { SHIPLOG_CONFIG: file } });
  const both = [plain, encrypted];
  const names: string[] = [];
  const create = async (of: string) => {
    const more = named(of, 5);
    await createProjects(server, more);
    names.push(...more);
  };
  const reads = (rsyslog: RsyslogServer) =>
    until('rsyslogd has read some', async () => projectsIn(await toldBySyslog(rsyslog)).size >= names.length);

  await create('first');
  await Promise.all(both.map(reads));
  // Both have read it, and cannot say so any more.
  await Promise.all(both.map((each) => each.kill()));
  await create('away');
  await Promise.all(both.map((each) => each.start()));
  await create('back');
  await server.stop('SIGKILL');
  await server.start();
  await create('after');
  await allTaken(server);
  for (const each of both) assertOnceInOrder(await toldBySyslog(each), names);
});

test('of two gateways one forwards, and the other takes over when it is killed while it sends', async (t) => {
  const folder = await folderOf(t);
  const receiver = await startHttpReceiver(t);
  const file = await configured(folder, { name: 'siem', type: 'http', url: receiver.url });
  const { one, other } = await startGateways(t, { SHIPLOG_CONFIG: file });
  const first = named('first', 8);
  await createProjects(one, first);
  await allTaken(other);
  const told = toldByHttp(receiver);
  assert.equal(new Set(told.map(({ id }) => id)).size, told.length, 'nothing came twice');

  const sent = async (server: TestServer): Promise<number> => {
    const metrics = await (await server.fetch('/metrics')).text();
    return Number(/^shiplog_audit_forwarded_total\{target="siem"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  };
  const counts = [await sent(one), await sent(other)];
  assert.equal(counts.filter((count) => count > 0).length, 1);
  const [sender, stander] = counts[0] === 0 ? [other, one] : [one, other];
  const second = named('second', 8);
  receiver.answer(async () => {
    await pause(200);
    return {};
  });
  const before = receiver.requests.length;
  const creating = createProjects(stander, second);
  await until('it sends', () => receiver.requests.length > before);
  await sender.stop('SIGKILL');
  await creating;
  await allTaken(stander);
  assert.ok((await sent(stander)) > 0);
  assertOnceInOrder(toldByHttp(receiver), [...first, ...second]);
});
