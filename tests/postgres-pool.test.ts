import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfiguration } from '../infra/configuration/load.ts';
import { postgresPool } from '../infra/configuration/postgres-pool.ts';

const limits = { max: 10, idleTimeoutMillis: 30_000, maxLifetimeSeconds: 0, connectionTimeoutMillis: 10_000 };

const pool = async (purpose: 'views' | 'log', environment: NodeJS.ProcessEnv) =>
  postgresPool(await loadConfiguration({ environment }), purpose);

test('without a server in the configuration the built-in one is used, within the limits', async () => {
  assert.deepEqual(await pool('views', { SHIPLOG_DATABASE_MAX_OPEN_CONNS: '4' }), {
    builtIn: true,
    pool: { ...limits, max: 4 },
  });
});

test('database.url is the server of the views and of the log', async () => {
  const environment = { SHIPLOG_DATABASE_URL: 'postgres://a:b@c/d' };
  const expected = { builtIn: false, pool: { connectionString: 'postgres://a:b@c/d', ...limits } };
  assert.deepEqual(await pool('views', environment), expected);
  assert.deepEqual(await pool('log', environment), expected);
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
  assert.deepEqual(await pool('views', environment), {
    builtIn: false,
    pool: {
      host: 'db',
      port: 5432,
      database: 'views',
      user: 'shiplog',
      password: 'hidden',
      ssl: false,
      ...limits,
    },
  });
  assert.deepEqual(await pool('log', environment), {
    builtIn: false,
    pool: {
      host: 'log-db',
      port: 5432,
      database: 'log',
      user: 'writer',
      ssl: false,
      ...limits,
      connectionTimeoutMillis: 3000,
    },
  });
  assert.equal((await pool('log', harbor)).pool.host, 'db');
});

test('ssl_mode decides what of the certificate of the server is verified', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-pool-'));
  t.after(() => rm(folder, { recursive: true }));
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, 'the authorities');
  const ssl = async (mode: string) => {
    const environment = {
      ...harbor,
      SHIPLOG_EXTERNAL_DATABASE_HARBOR_SSL_MODE: mode,
      SHIPLOG_EXTERNAL_DATABASE_HARBOR_SSL_CA: ca,
    };
    const settings = (await pool('views', environment)).pool.ssl;
    assert.ok(typeof settings === 'object');
    const { checkServerIdentity, ...rest } = settings;
    assert.equal(rest.ca, 'the authorities');
    return [rest.rejectUnauthorized, checkServerIdentity !== undefined];
  };
  assert.deepEqual(await ssl('require'), [false, false]);
  assert.deepEqual(await ssl('verify-ca'), [true, true]);
  assert.deepEqual(await ssl('verify-full'), [true, false]);
});

test('a certificate file that is not there is named', async () => {
  const environment = {
    ...harbor,
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_SSL_MODE: 'verify-full',
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_SSL_CA: '/nowhere/ca.pem',
  };
  await assert.rejects(pool('views', environment), /\/nowhere\/ca\.pem/);
});
