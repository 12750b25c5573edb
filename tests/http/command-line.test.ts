import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { projections } from '../../projections/projections.ts';
import { environmentFor, runShiplog, startServer } from '../server.ts';
import { pushImage } from './client.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shiplog-command-line-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('config check says that a configuration is valid, and names keys that nothing uses', async (t) => {
  const path = await folder(t);
  const file = join(path, 'shiplog.yml');
  await writeFile(file, 'hostname: registry.example.com\ntrivy:\n  timeout: 5m0s\n');
  const { code, output } = await runShiplog(['--config', file, 'config', 'check'], environmentFor(path));
  assert.equal(code, 0, output);
  assert.match(output, /The configuration is valid\./);
  assert.match(output, /trivy: accepted, but nothing uses it/);
});

test('config check lists every fault, shows no secret, and its exit code is 1', async (t) => {
  const path = await folder(t);
  const file = join(path, 'shiplog.yml');
  await writeFile(file, 'log:\n  level: loud\nno_such_key: 1\nharbor_admin_password: [top-secret]\n');
  const { code, output } = await runShiplog(['--config', file, 'config', 'check'], environmentFor(path));
  assert.equal(code, 1);
  assert.match(output, /log\.level/);
  assert.match(output, /no_such_key/);
  assert.match(output, /harbor_admin_password/);
  assert.doesNotMatch(output, /top-secret/);
  assert.doesNotMatch(output, /\n\s+at /);
});

test('a configuration file that is not there is a fault', async (t) => {
  const path = await folder(t);
  const file = join(path, 'missing.yml');
  const { code, output } = await runShiplog(['--config', file, 'config', 'check'], environmentFor(path));
  assert.equal(code, 1);
  assert.match(output, /missing\.yml/);
  assert.doesNotMatch(output, /\n\s+at /);
});

test('config schema prints a JSON Schema, and nothing beside it', async (t) => {
  const { code, output } = await runShiplog(['config', 'schema'], environmentFor(await folder(t)));
  assert.equal(code, 0);
  const { $schema, properties } = JSON.parse(output);
  assert.match($schema, /json-schema\.org/);
  assert.equal(properties.http.properties.port.default, 8080);
});

test('status tells the head of the log and how far each projection is, beside a server and without one', async (t) => {
  const server = await startServer(t);
  await pushImage(server, 'library/status', '1.0');

  async function assertStatus(): Promise<void> {
    const { code, output } = await server.run('status', '--json');
    assert.equal(code, 0, output);
    const { log, projections: rows } = JSON.parse(output);
    assert.equal(log.engine, 'postgres');
    assert.match(log.head, /^\d+$/);
    assert.deepEqual(
      rows.map(({ eventsPerSecond: _, ...row }: { eventsPerSecond: number }) => row),
      projections
        .map(({ name, version }) => ({
          projection: name,
          version,
          position: log.head,
          lag: '0',
          state: 'runs',
          lastError: null,
        }))
        .toSorted((a, b) => (a.projection < b.projection ? -1 : 1)),
    );
    const plain = await server.run('status');
    assert.equal(plain.code, 0);
    assert.match(plain.output, new RegExp(`event log: postgres, head ${log.head}`));
    for (const { name } of projections) assert.match(plain.output, new RegExp(`'${name}'`));
  }

  await assertStatus();
  await server.stop();
  await assertStatus();
});

test('an unknown command is refused with the commands that there are', async (t) => {
  const { code, output } = await runShiplog(['sevre'], environmentFor(await folder(t)));
  assert.equal(code, 1);
  assert.match(output, /unknown command 'sevre'/);
  assert.match(output, /serve/);
});

test('an unknown projection is refused with those that there are', async (t) => {
  for (const command of ['replay', 'verify']) {
    const path = await folder(t);
    const { code, output } = await runShiplog([command, '--projection', 'tgas'], environmentFor(path));
    assert.equal(code, 1);
    assert.match(output, /no projection is called tgas; there are .*tags/);
  }
});
