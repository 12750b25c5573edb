import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { databaseOptions } from '../infra/configuration/database-options.ts';
import { loadConfiguration } from '../infra/configuration/load.ts';

const options = async (purpose: 'views' | 'log', environment: NodeJS.ProcessEnv) =>
  databaseOptions(await loadConfiguration({ environment }), purpose);

test('without a server in the configuration it is the built-in one, within what that can take', async () => {
  assert.deepEqual(await options('views', {}), { poolSize: 10, waitMs: 10_000 });
  assert.deepEqual(await options('log', { SHIPLOG_DATABASE_MAX_OPEN_CONNS: '900' }), {
    poolSize: 40,
    waitMs: 10_000,
  });
});

test('database.url is the server of the views and of the log', async () => {
  const environment = { SHIPLOG_DATABASE_URL: 'postgres://a:b@c/d', SHIPLOG_DATABASE_MAX_OPEN_CONNS: '900' };
  const expected = { url: 'postgres://a:b@c/d', poolSize: 900, waitMs: 10_000 };
  assert.deepEqual(await options('views', environment), expected);
  assert.deepEqual(await options('log', environment), expected);
});

const harbor = {
  SHIPLOG_EXTERNAL_DATABASE_HARBOR_HOST: 'db',
  SHIPLOG_EXTERNAL_DATABASE_HARBOR_DB_NAME: 'views',
  SHIPLOG_EXTERNAL_DATABASE_HARBOR_USERNAME: 'shiplog',
  SHIPLOG_EXTERNAL_DATABASE_HARBOR_PASSWORD: 'hidden',
};

test('external_database.log is the server of the log only', async () => {
  const environment = {
    ...harbor,
    SHIPLOG_EXTERNAL_DATABASE_LOG_HOST: 'log-db',
    SHIPLOG_EXTERNAL_DATABASE_LOG_DB_NAME: 'log',
    SHIPLOG_EXTERNAL_DATABASE_LOG_USERNAME: 'writer',
    SHIPLOG_EXTERNAL_DATABASE_LOG_WAIT_SECONDS: '3',
  };
  assert.deepEqual(await options('views', environment), {
    connection: { host: 'db', port: 5432, database: 'views', user: 'shiplog', password: 'hidden' },
    tls: { mode: 'disable' },
    poolSize: 10,
    waitMs: 10_000,
  });
  assert.deepEqual(await options('log', environment), {
    connection: { host: 'log-db', port: 5432, database: 'log', user: 'writer' },
    tls: { mode: 'disable' },
    poolSize: 10,
    waitMs: 3000,
  });
  assert.equal((await options('log', harbor)).connection?.host, 'db');
});

test('certificates are read from their files, and one that is not there is named', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-database-'));
  t.after(() => rm(folder, { recursive: true }));
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, 'the authorities');
  const environment = (path: string) => ({
    ...harbor,
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_SSL_MODE: 'verify-full',
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_SSL_CA: path,
  });
  assert.deepEqual((await options('views', environment(ca))).tls, {
    mode: 'verify-full',
    ca: 'the authorities',
  });
  await assert.rejects(options('views', environment('/nowhere/ca.pem')), /\/nowhere\/ca\.pem/);
});
