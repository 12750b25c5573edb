import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { ConfigurationError } from '../infra/configuration/faults.ts';
import { isNotUsed, keysOf, leavesOf, variableOf } from '../infra/configuration/keys.ts';
import { loadConfiguration } from '../infra/configuration/load.ts';
import { type Configuration, configurationSchema } from '../infra/configuration/schema.ts';
import { Secret, SecretNotFound } from '../infra/configuration/secret.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shiplog-configuration-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

async function load(
  t: TestContext,
  yaml: string | Buffer,
  environment: NodeJS.ProcessEnv = {},
): Promise<Configuration> {
  const file = join(await folder(t), 'shiplog.yml');
  await writeFile(file, yaml);
  return loadConfiguration({ file, environment });
}

/** The faults, one line each, with the folder of the file left out. */
async function faults(loading: Promise<Configuration>): Promise<string[]> {
  const error = await loading.then(
    () => assert.fail('the configuration has no faults'),
    (error: unknown) => error,
  );
  assert.ok(error instanceof ConfigurationError, inspect(error));
  const lines = error.message.split('\n').slice(1);
  return lines.map((line) => line.trim().replaceAll(/[^\s(]*\/shiplog-configuration-\w+\//g, ''));
}

test('without a file and variables everything has its default', async () => {
  const configuration = await loadConfiguration({ environment: {} });
  assert.equal(configuration.data, './data');
  assert.equal(configuration.hostname, 'localhost');
  assert.equal(configuration.http.address, '127.0.0.1');
  assert.equal(configuration.http.port, 8080);
  assert.deepEqual(configuration.http.trusted_proxies, []);
  assert.equal(configuration.https, undefined);
  assert.deepEqual(configuration.event_log, { engine: 'postgres' });
  assert.deepEqual(configuration.storage_service, { redirect: { disable: true } });
  assert.deepEqual(configuration.metric, { enabled: true, path: '/metrics' });
  assert.equal(configuration.views.wait_seconds, 10);
  assert.deepEqual(configuration.unused, []);
});

test('the file overrides the defaults, and the environment overrides the file, key by key', async (t) => {
  const configuration = await load(t, 'http:\n  address: 0.0.0.0\n  port: 1000\nlog:\n  level: debug\n', {
    SHIPLOG_HTTP_PORT: '2000',
    SHIPLOG_METRIC_ENABLED: 'false',
  });
  assert.equal(configuration.http.address, '0.0.0.0');
  assert.equal(configuration.http.port, 2000);
  assert.equal(configuration.log.level, 'debug');
  assert.deepEqual(configuration.metric, { enabled: false, path: '/metrics' });
});

test('a duration is written as Harbor writes it, and anything else is refused', async (t) => {
  const age = async (text: string) => (await load(t, `upload_purging: { age: ${text} }`)).upload_purging.age;
  assert.equal(await age('1h30m'), 5_400_000);
  assert.equal(await age('600s'), 600_000);
  assert.equal(await age('720000ms'), 720_000);
  for (const wrong of ['168', '1d', '1.5h', 'h', '-1h', '1h 30m', '599s', '0s'])
    assert.deepEqual(await faults(load(t, `upload_purging: { age: ${wrong} }`)), [
      `upload_purging.age (shiplog.yml, line 1): found "${wrong}"; expected a duration of at least 600s, such as 168h or 1h30m`,
    ]);
});

test('deliveries of webhooks are listed for 90 days, and never for less than the 30 that are counted', async (t) => {
  assert.equal((await load(t, '')).webhooks.deliveries_days, 90);
  assert.equal((await load(t, 'webhooks: { deliveries_days: 30 }')).webhooks.deliveries_days, 30);
  const [fault, ...others] = await faults(load(t, 'webhooks: { deliveries_days: 29 }'));
  assert.match(fault ?? '', /^webhooks\.deliveries_days \(shiplog\.yml, line 1\): found "29"; expected/);
  assert.deepEqual(others, []);
});

test('SHIPLOG_CONFIG names the file when nothing else does', async (t) => {
  const file = join(await folder(t), 'shiplog.yml');
  await writeFile(file, 'http: { port: 1000 }');
  const configuration = await loadConfiguration({ environment: { SHIPLOG_CONFIG: file } });
  assert.equal(configuration.http.port, 1000);
});

test("harbor.yml's data_volume is data, and a variable for either overrides it", async (t) => {
  assert.equal((await load(t, 'data_volume: /data')).data, '/data');
  assert.equal((await load(t, 'data_volume: /data', { SHIPLOG_DATA: '/other' })).data, '/other');
  assert.equal((await load(t, 'data: /data', { SHIPLOG_DATA_VOLUME: '/other' })).data, '/other');
  assert.deepEqual(await faults(load(t, 'data: /a\ndata_volume: /b')), [
    'data_volume (shiplog.yml, line 2): found "/b"; expected only one of data and data_volume, which are the same thing',
  ]);
});

test('a complete harbor.yml loads, and what is not used of it is listed', async () => {
  const file = new URL('samples/harbor.yml', import.meta.url).pathname;
  const configuration = await loadConfiguration({ file, environment: {} });

  assert.deepEqual(configuration.unused, [
    'https.strong_ssl_ciphers',
    'database',
    'external_database.harbor.max_idle_conns',
    'storage_service.s3.encrypt',
    'storage_service.s3.skipverify',
    'storage_service.s3.v4auth',
    'storage_service.s3.multipartcopymaxconcurrency',
    'external_redis.idle_timeout_seconds',
    'external_redis.jobservice_db_index',
    'external_redis.trivy_db_index',
    'jobservice.max_job_duration_hours',
    'jobservice.job_loggers',
    'jobservice.logger_sweeper_duration',
    'log.local',
    'log.external_endpoint',
    '_version',
    'ip_family',
    'internal_tls',
    'trivy',
    'proxy',
    'core',
  ]);
  assert.equal(configuration.data, '/data');
  assert.equal(configuration.external_url, 'https://registry.example.com:8433');
  assert.equal(configuration.harbor_admin_password?.reveal(), 'Harbor12345');
  assert.deepEqual(configuration.https, {
    port: 443,
    certificate: '/etc/harbor/tls.crt',
    private_key: '/etc/harbor/tls.key',
  });
  const database = configuration.external_database.harbor;
  assert.equal(database?.port, 5432);
  assert.equal(database?.max_open_conns, 10);
  assert.equal(database?.password?.reveal(), 'hidden-database');
  assert.equal(configuration.external_redis?.host, 'redis.example.com:6379');
  assert.equal(configuration.external_redis?.registry_db_index, 1);
  const { s3 } = configuration.storage_service;
  assert.equal(s3?.accesskey?.reveal(), '0123');
  assert.equal(s3?.secure, true);
  assert.equal(s3?.chunksize, 5 * 1024 * 1024);
  assert.equal(configuration.storage_service.redirect.disable, true);
  assert.deepEqual(configuration.upload_purging, {
    enabled: true,
    age: 168 * 3_600_000,
    interval: 24 * 3_600_000,
    dryrun: false,
  });
  assert.equal(configuration.log.level, 'warn');
  assert.equal(configuration.trace.sample_rate, 0.5);
  assert.deepEqual(configuration.trace.attributes, { application: 'harbor' });
  assert.equal(configuration.trace.otel?.endpoint, 'collector.example.com:4318');
  assert.doesNotMatch(
    inspect(configuration, { depth: null }) + JSON.stringify(configuration),
    /hidden|12345/,
  );
});

test("Harbor's names of log levels and pino's are both understood", async () => {
  const level = async (SHIPLOG_LOG_LEVEL: string) =>
    (await loadConfiguration({ environment: { SHIPLOG_LOG_LEVEL } })).log.level;
  assert.equal(await level('warning'), 'warn');
  assert.equal(await level('warn'), 'warn');
  assert.equal(await level('FATAL'), 'fatal');
  assert.equal(await level('trace'), 'trace');
});

test('every key has a variable of its own, a meaning, and no two share a variable', () => {
  const leaves = [...leavesOf(configurationSchema)];
  const variables = leaves.map(({ path }) => variableOf(path));
  assert.equal(new Set(variables).size, variables.length);
  for (const [key, expected] of [
    ['http.port', 'SHIPLOG_HTTP_PORT'],
    ['event_log.engine', 'SHIPLOG_EVENT_LOG_ENGINE'],
    ['storage_service.s3.bucket', 'SHIPLOG_STORAGE_SERVICE_S3_BUCKET'],
    ['external_redis.tlsOptions.rootCA', 'SHIPLOG_EXTERNAL_REDIS_TLS_OPTIONS_ROOT_CA'],
  ] as const)
    assert.ok(leaves.some(({ path }) => path.join('.') === key && variableOf(path) === expected));
});

test('variables are read by the type of their key', async () => {
  const configuration = await loadConfiguration({
    environment: {
      SHIPLOG_HTTP_PORT: '0',
      SHIPLOG_METRIC_ENABLED: 'yes',
      SHIPLOG_TRACE_SAMPLE_RATE: '0.25',
      SHIPLOG_TRACE_ATTRIBUTES: 'team=a=b, site=x',
      SHIPLOG_EVENT_LOG_ENGINE: 'JetStream',
      SHIPLOG_EVENT_LOG_JETSTREAM_SERVERS: 'nats://a:4222, tls://b:4222',
      SHIPLOG_EVENT_LOG_JETSTREAM_STREAM: '0123',
    },
  });
  assert.equal(configuration.http.port, 0);
  assert.equal(configuration.metric.enabled, true);
  assert.equal(configuration.trace.sample_rate, 0.25);
  assert.deepEqual(configuration.trace.attributes, { team: 'a=b', site: 'x' });
  assert.equal(configuration.event_log.engine, 'jetstream');
  assert.deepEqual(configuration.event_log.jetstream?.servers, ['nats://a:4222', 'tls://b:4222']);
  assert.equal(configuration.event_log.jetstream?.stream, '0123');
});

test('an empty variable is as if it were not set', async (t) => {
  const configuration = await load(t, 'hostname: a.example.com', { SHIPLOG_HOSTNAME: '' });
  assert.equal(configuration.hostname, 'a.example.com');
});

test('an unknown variable is a fault with the one that was meant; those of tests and tools are left alone', async () => {
  const environment = {
    SHIPLOG_HTPT_PORT: '1',
    SHIPLOG_WHATEVER_ELSE_THIS_IS: '1',
    SHIPLOG_TOOLS: '/tools',
    SHIPLOG_TEST_BUCKET: 'x',
    SHIPLOGGER: 'x',
  };
  assert.deepEqual(await faults(loadConfiguration({ environment })), [
    'SHIPLOG_HTPT_PORT: found an unknown environment variable; did you mean SHIPLOG_HTTP_PORT?',
    'SHIPLOG_WHATEVER_ELSE_THIS_IS: found an unknown environment variable; expected a variable that Shiplog reads',
  ]);
});

test('what Kubernetes sets for services called shiplog and shiplog-http is no configuration', async () => {
  const { http } = await loadConfiguration({
    environment: {
      SHIPLOG_PORT: 'tcp://10.0.0.1:80',
      SHIPLOG_PORT_80_TCP: 'tcp://10.0.0.1:80',
      SHIPLOG_PORT_80_TCP_ADDR: '10.0.0.1',
      SHIPLOG_PORT_80_TCP_PORT: '80',
      SHIPLOG_PORT_80_TCP_PROTO: 'tcp',
      SHIPLOG_SERVICE_HOST: '10.0.0.1',
      SHIPLOG_SERVICE_PORT: '80',
      SHIPLOG_SERVICE_PORT_REGISTRY: '80',
      SHIPLOG_HTTP_PORT: 'tcp://10.0.0.2:80',
      SHIPLOG_HTTP_SERVICE_HOST: '10.0.0.2',
    },
  });
  assert.equal(http.port, 8080);
});

test('an unknown key of the file is a fault with its line and the key that was meant', async (t) => {
  const yaml = 'hostnam: x\nhttp:\n  prot: 80\ncertificate: x\ntrivy:\n  skip_updat: true\nqwertyuiop: 1\n';
  assert.deepEqual(await faults(load(t, yaml)), [
    'http.prot (shiplog.yml, line 3): found an unknown key; did you mean http.port?',
    'trivy.skip_updat (shiplog.yml, line 6): found an unknown key; did you mean trivy.skip_update?',
    'hostnam (shiplog.yml, line 1): found an unknown key; did you mean hostname?',
    'certificate (shiplog.yml, line 4): found an unknown key; did you mean https.certificate?',
    'qwertyuiop (shiplog.yml, line 7): found an unknown key; expected a key of Shiplog or of harbor.yml',
  ]);
});

test('all faults of the file, the environment, secrets and rules are reported at once', async (t) => {
  const yaml = [
    'http: { port: 70000 }',
    'https:',
    '  certificate: /tls.crt',
    'external_url: registry.example.com',
    'log: { level: loud }',
    'metric: { enabled: maybe }',
    'trace: { enabled: true }',
    'database: { max_open_conns: many }',
    'storage_service: { s3: { bucket: [a] } }',
  ].join('\n');
  const environment = {
    SHIPLOG_EVENT_LOG_ENGINE: 'jetstream',
    SHIPLOG_HARBOR_ADMIN_PASSWORD: 'env:NOT_THERE',
    SHIPLOG_TRACE_SAMPLE_RATE: '1.5',
    SHIPLOG_VIEWS_WAIT_SECONDS: '-1.5',
    SHIPLOG_HOSTNAME: 'https://registry',
  };
  assert.deepEqual((await faults(load(t, yaml, environment))).sort(), [
    'database.max_open_conns (shiplog.yml, line 8): found "many"; expected a whole number from 0 to 10000',
    'event_log.jetstream.servers (SHIPLOG_EVENT_LOG_JETSTREAM_SERVERS): found nothing; expected at least one server, since event_log.engine is jetstream',
    'external_url (shiplog.yml, line 4): found "registry.example.com"; expected a URL of scheme, host and port, such as https://registry.example.com:8443',
    'harbor_admin_password (SHIPLOG_HARBOR_ADMIN_PASSWORD): found the environment variable NOT_THERE, which is not set; expected a secret: the value, file:/path or env:NAME',
    'hostname (SHIPLOG_HOSTNAME): found "https://registry"; expected a host name or an IP address, without a scheme or a port',
    'http.port (shiplog.yml, line 1): found "70000"; expected a whole number from 0 to 65535',
    'https.private_key (shiplog.yml, line 2): found nothing; expected the path of a file or a directory',
    'log.level (shiplog.yml, line 5): found "loud"; expected one of trace, debug, info, warn, warning, error, fatal, silent',
    'metric.enabled (shiplog.yml, line 6): found "maybe"; expected true or false',
    'storage_service.s3.bucket (shiplog.yml, line 9): found a list; expected text',
    'trace.otel.endpoint (shiplog.yml, line 7): found nothing; expected the address of an OpenTelemetry collector, since trace.enabled is true',
    'trace.sample_rate (SHIPLOG_TRACE_SAMPLE_RATE): found "1.5"; expected a number from 0 to 1',
    'views.wait_seconds (SHIPLOG_VIEWS_WAIT_SECONDS): found "-1.5"; expected a whole number from 0 to 300',
  ]);
});

const rules: [rule: string, yaml: string, fault: string][] = [
  [
    'HTTP and HTTPS have different ports',
    'http: { port: 443 }\nhttps: { certificate: a, private_key: b }',
    'https.port (shiplog.yml, line 2): found nothing, which means 443; expected another port than that of http.port',
  ],
  [
    'metrics have a port of their own',
    'http: { port: 9090 }\nmetric: { port: 9090 }',
    'metric.port (shiplog.yml, line 2): found "9090"; expected another port than those of http.port and https.port',
  ],
  [
    'EventStoreDB needs its connection string',
    'event_log: { engine: eventstoredb }',
    'event_log.eventstoredb.url (shiplog.yml, line 1): found nothing; expected a connection string, since event_log.engine is eventstoredb',
  ],
  [
    'a NATS user needs a password',
    'event_log: { jetstream: { user: a } }',
    'event_log.jetstream.password (shiplog.yml, line 1): found nothing; expected a value, since user has one',
  ],
  [
    'there is one way to log in to NATS',
    'event_log: { jetstream: { token: a, creds: b } }',
    'event_log.jetstream.creds (shiplog.yml, line 1): found "b"; expected only one of user with password, token, creds and nkey',
  ],
  [
    'events are published to a server that is named',
    'events: { nats: { stream: A } }',
    'events.nats.servers (shiplog.yml, line 1): found nothing; expected at least one server, since events.nats is there',
  ],
  [
    'the seed of an NKey stands for a password',
    'events: { nats: { servers: [a], user: b, password: c, nkey: d } }',
    'events.nats.nkey (shiplog.yml, line 1): found a value that is not shown; expected only one of user with password, token, creds and nkey',
  ],
  [
    'events are published to another stream than that of the log',
    'event_log: { engine: jetstream, jetstream: { servers: [a], stream: A } }\nevents: { nats: { servers: [a], stream: A } }',
    'events.nats.stream (shiplog.yml, line 2): found "A"; expected another stream than event_log.jetstream.stream',
  ],
  [
    'the subjects of events are none of the log',
    'event_log: { engine: jetstream, jetstream: { servers: [a] } }\nevents: { nats: { servers: [a], subject_prefix: SHIPLOG.events } }',
    'events.nats.subject_prefix (shiplog.yml, line 2): found "SHIPLOG.events"; expected another first word than event_log.jetstream.stream, with which the subjects of the log begin',
  ],
  [
    'a subject has no wildcards',
    'events: { nats: { servers: [a], subject_prefix: "a.*" } }',
    'events.nats.subject_prefix (shiplog.yml, line 1): found "a.*"; expected letters, digits, - and _ with dots between them, at most 100 characters',
  ],
  [
    'S3 needs a bucket',
    'storage_service: { s3: { region: x } }',
    'storage_service.s3.bucket (shiplog.yml, line 1): found nothing; expected text',
  ],
  [
    'S3 keys come in pairs',
    'storage_service: { s3: { bucket: x, accesskey: y } }',
    'storage_service.s3.secretkey (shiplog.yml, line 1): found nothing; expected a value, since accesskey has one',
  ],
  [
    'blobs are in one store',
    'storage_service:\n  filesystem: { rootdirectory: /x }\n  s3: { bucket: x }',
    'storage_service.filesystem (shiplog.yml, line 2): found a section; expected only one of filesystem and s3',
  ],
  [
    "a store of Harbor's that Shiplog lacks is refused",
    'storage_service: { azure: { accountname: x } }',
    'storage_service.azure (shiplog.yml, line 1): found a section; expected filesystem or s3, the blob stores that Shiplog has',
  ],
  [
    'the views have one database',
    'database: { url: "postgres://a:hidden@b/c" }\nexternal_database: { harbor: { host: a, db_name: b, username: c } }',
    'database.url (shiplog.yml, line 1): found a value that is not shown; expected only one of database.url and external_database.harbor',
  ],
  [
    'a client certificate needs its key',
    'external_database: { log: { host: a, db_name: b, username: c, ssl_cert: x } }',
    'external_database.log.ssl_key (shiplog.yml, line 1): found nothing; expected a value, since ssl_cert has one',
  ],
  [
    'a section is not a value',
    'http: 80',
    'http (shiplog.yml, line 1): found "80"; expected a section with keys of its own',
  ],
];
for (const [rule, yaml, fault] of rules)
  test(`a fault where broken: ${rule}`, async (t) => {
    assert.deepEqual(await faults(load(t, yaml)), [fault]);
  });

test('a server that is described and not chosen is listed as not used', async (t) => {
  const yaml = 'event_log:\n  jetstream:\n    servers: [nats://a:4222]\n  eventstoredb:\n    url: esdb://a\n';
  assert.deepEqual((await load(t, yaml)).unused, ['event_log.jetstream', 'event_log.eventstoredb']);
});

test('a secret is read from a file without its last newline, from a variable, from a further source, or as it is', async (t) => {
  const file = join(await folder(t), 'password');
  await writeFile(file, 'from the file\n\n');
  const password = async (written: string) => {
    const configuration = await loadConfiguration({
      environment: { SHIPLOG_HARBOR_ADMIN_PASSWORD: written, PASSWORD: 'from the variable\n' },
      secretSources: { vault: async (reference) => `from the vault at ${reference}` },
    });
    return configuration.harbor_admin_password?.reveal();
  };
  assert.equal(await password(`file:${file}`), 'from the file\n');
  assert.equal(await password('env:PASSWORD'), 'from the variable\n');
  assert.equal(await password('vault:secret/a'), 'from the vault at secret/a');
  assert.equal(await password('other:secret/a'), 'other:secret/a');
  assert.equal(await password('constructor:x'), 'constructor:x');
});

test('a secret that cannot be had names its key and never a value', async (t) => {
  const empty = join(await folder(t), 'nothing');
  await writeFile(empty, '\n');
  const loading = loadConfiguration({
    environment: {
      SHIPLOG_HARBOR_ADMIN_PASSWORD: 'file:/nowhere/password',
      SHIPLOG_DATABASE_URL: `file:${empty}`,
      SHIPLOG_STORAGE_SERVICE_S3_ACCESSKEY: 'vault:a',
      SHIPLOG_STORAGE_SERVICE_S3_SECRETKEY: 'broken:b',
      SHIPLOG_STORAGE_SERVICE_S3_BUCKET: 'x',
    },
    secretSources: {
      vault: () => Promise.reject(new SecretNotFound('a vault that is sealed')),
      broken: () => Promise.reject(new Error('hidden')),
    },
  });
  const expected = 'expected a secret: the value, file:/path or env:NAME';
  assert.deepEqual((await faults(loading)).sort(), [
    `database.url (SHIPLOG_DATABASE_URL): found nothing, which is empty; ${expected}`,
    `harbor_admin_password (SHIPLOG_HARBOR_ADMIN_PASSWORD): found the file /nowhere/password, which cannot be read (ENOENT); ${expected}`,
    `storage_service.s3.accesskey (SHIPLOG_STORAGE_SERVICE_S3_ACCESSKEY): found a vault that is sealed; ${expected}`,
    `storage_service.s3.secretkey (SHIPLOG_STORAGE_SERVICE_S3_SECRETKEY): found a reference that cannot be resolved; ${expected}`,
  ]);
});

test('a secret shows nothing of itself however it is printed', () => {
  const secret = new Secret('hidden');
  const printed = [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true, depth: null }),
    JSON.stringify({ ...secret }),
    String(Object.values(secret)),
  ];
  assert.doesNotMatch(printed.join(), /hidden/);
  assert.equal(secret.reveal(), 'hidden');
});

test('passwords in addresses that may have none are not printed', async () => {
  const messages = await faults(
    loadConfiguration({
      environment: {
        SHIPLOG_EVENT_LOG_JETSTREAM_SERVERS: 'nats://a:hid/den@b:4222,nats://a:hidden@c:4222',
        SHIPLOG_STORAGE_SERVICE_S3_REGIONENDPOINT: 'https://a:hidden@minio:9000',
        SHIPLOG_STORAGE_SERVICE_S3_BUCKET: 'x',
        SHIPLOG_EXTERNAL_URL: 'https://a:hidden@registry',
      },
    }),
  );
  assert.equal(messages.length, 4);
  assert.doesNotMatch(messages.join(), /hid/);
});

test('a byte order mark, Windows lines, an empty file and comments only are no fault', async (t) => {
  assert.equal((await load(t, '\uFEFFhttp:\r\n  port: 1000\r\n')).http.port, 1000);
  assert.equal((await load(t, '')).http.port, 8080);
  assert.equal((await load(t, '# nothing\n---\n')).http.port, 8080);
  assert.equal((await load(t, 'http:\n  # port: 80\nhttps:\n')).https, undefined);
});

test('an alias stands for what its anchor holds', async (t) => {
  const yaml = 'external_database:\n  harbor: &db { host: a, db_name: b, username: c }\n  log: *db\n';
  assert.equal((await load(t, yaml)).external_database.log?.host, 'a');
});

test('YAML that cannot be read is a fault with its line', async (t) => {
  assert.deepEqual(await faults(load(t, 'http:\n  port: 1\n  port: 2\n')), [
    '(shiplog.yml, line 3): found a YAML error: Map keys must be unique; expected valid YAML',
  ]);
  assert.match(
    (await faults(load(t, 'http:\n\tport: 1\n'))).join(),
    /\(shiplog.yml, line 2\): found a YAML error/,
  );
  assert.match(
    (await faults(load(t, 'a: 1\n---\nb: 2\n'))).join(),
    /found a YAML error: .*multiple documents/,
  );
  assert.match(
    (await faults(load(t, 'harbor_admin_password: !vault |\n  abc\n'))).join(),
    /line 1\): found a YAML error: Unresolved tag: !vault/,
  );
  assert.match((await faults(load(t, '- a\n'))).join(), /found a list; expected keys and their values/);
  assert.match((await faults(load(t, Buffer.from([0x61, 0xff])))).join(), /found bytes that are not UTF-8/);
  assert.match((await faults(load(t, '? [a]\n: b\n'))).join(), /found a key that is not text/);
});

test('of a file that cannot be read only that is said, and what is wrong with names of variables', async (t) => {
  const environment = { SHIPLOG_HTTPS_CERTIFICATE: '/tls.crt', SHIPLOG_HTPT_PORT: '1' };
  assert.deepEqual(await faults(load(t, 'https:\n  private_key: [\n', environment)), [
    '(shiplog.yml, line 3): found a YAML error: Flow sequence in block collection must be sufficiently indented and end with a ]; expected valid YAML',
    'SHIPLOG_HTPT_PORT: found an unknown environment variable; did you mean SHIPLOG_HTTP_PORT?',
  ]);
});

test('a file of aliases that unfold without end is refused', async (t) => {
  assert.deepEqual(await faults(load(t, 'http: &a\n  address: *a\n')), [
    '(shiplog.yml, line 2): found *a within itself; expected an alias that ends',
  ]);
  const levels = Array.from({ length: 12 }, (_, i) => `k${i + 1}: &k${i + 1} [${`*k${i},`.repeat(9)}]`);
  const bomb = ['k0: &k0 x', ...levels].join('\n');
  assert.match((await faults(load(t, bomb))).join('\n'), /found more than 20000 values/);
});

test('a file that is not there is a fault', async () => {
  assert.deepEqual(await faults(loadConfiguration({ file: '/nowhere/shiplog.yml', environment: {} })), [
    '(/nowhere/shiplog.yml): found no such file; expected a configuration file',
  ]);
});

test('a key that is called like a property of every object is only an unknown key', async (t) => {
  const messages = await faults(load(t, '__proto__: { port: 1 }\nconstructor: 1\nhttp: { toString: 1 }\n'));
  assert.equal(messages.length, 3);
  for (const message of messages) assert.match(message, /unknown key/);
});

test('sections that are not used accept whatever values their keys have', async (t) => {
  const sections = Object.entries(keysOf(configurationSchema) ?? {}).filter(
    ([, schema]) => isNotUsed(schema) && keysOf(schema) !== undefined,
  );
  assert.ok(sections.length >= 10);
  for (const [name, schema] of sections) {
    const leaf = [...leavesOf(schema, [name])][0]?.path ?? assert.fail(name);
    const { unused } = await load(t, '', { [variableOf(leaf)]: 'whatever, it is' });
    assert.deepEqual(unused, [name]);
  }
});

test('the schedule of the collector is a cron expression, and the age of orphans not between 0 and 1', async (t) => {
  const { garbage_collection } = await load(
    t,
    'garbage_collection: { schedule: "0 0 3 * * 0", orphan_hours: 0 }',
  );
  assert.deepEqual([garbage_collection.schedule, garbage_collection.orphan_hours], ['0 0 3 * * 0', 0]);
  const messages = await faults(load(t, 'garbage_collection: { schedule: nightly, orphan_hours: 0.5 }'));
  assert.equal(messages.length, 2);
  assert.match(messages.join('\n'), /schedule.*expected a cron expression/);
  assert.match(messages.join('\n'), /orphan_hours.*expected 0, or a number from 1/);
});

test('targets of the audit log are a list of sections, whose secrets are resolved and whose faults are all named', async (t) => {
  const { audit } = await load(
    t,
    `audit:
  forward:
    - name: siem
      type: syslog
      url: tls://siem.example.com:6514
    - { name: splunk, type: splunk-hec, url: "https://splunk:8088", token: "env:TOKEN", types: [pull_artifact, TagMoved] }
`,
    { TOKEN: 'of-splunk' },
  );
  const [siem, splunk] = audit.forward;
  assert.deepEqual(
    [siem?.verify, siem?.from, siem?.timeout, siem?.batch_size, siem?.types],
    [true, 'now', 30, 500, []],
  );
  assert.equal(splunk?.token?.reveal(), 'of-splunk');
  assert.doesNotMatch(inspect(audit), /of-splunk/);

  const wrong = `audit:
  forward:
    - { name: one, type: syslog, url: "https://a.example.com", token: s3cret, gzip: true, cert: a.pem }
    - { name: one, type: http, url: "https://user:pw@a.example.com", format: cef }
    - { name: Two, type: splunk-hec, url: "https://a.example.com", batch_size: 0, types: [made_up], tokne: s3cret }
    - { name: x, type: elasticsearch, url: "https://a", token: a, username: b }
    - text
`;
  assert.deepEqual(await faults(load(t, wrong)), [
    'audit.forward.1.url (shiplog.yml, line 4): found "…@a.example.com"; expected a URL without user, password and fragment: tcp://host:port or tls://host:port for syslog, http:// or https:// else',
    'audit.forward.2.name (shiplog.yml, line 5): found "Two"; expected a name of small letters, digits and hyphens, 63 at most',
    'audit.forward.2.batch_size (shiplog.yml, line 5): found "0"; expected a whole number from 1 to 10000',
    'audit.forward.2.types.0 (shiplog.yml, line 5): found "made_up"; expected an operation of the audit log, such as create_artifact, or a type of an event, such as TagMoved',
    'audit.forward.2.tokne (shiplog.yml, line 5): found an unknown key; did you mean audit.forward.2.token?',
    'audit.forward.4 (shiplog.yml, line 7): found "text"; expected a section with keys of its own',
    'audit.forward.0.key (shiplog.yml, line 3): found nothing; expected a value, since cert has one',
    'audit.forward.0.token (shiplog.yml, line 3): found a value that is not shown; expected nothing, since type is syslog',
    'audit.forward.0.gzip (shiplog.yml, line 3): found "true"; expected nothing, since type is syslog',
    'audit.forward.0.url (shiplog.yml, line 3): found "https://a.example.com"; expected a URL that begins with tcp:// or tls://, since type is syslog',
    'audit.forward.1.name (shiplog.yml, line 4): found "one"; expected a name that no other target has',
    'audit.forward.1.format (shiplog.yml, line 4): found "cef"; expected one of ndjson, json, since type is http',
    'audit.forward.2.token (shiplog.yml, line 5): found nothing; expected the token of the collector, since type is splunk-hec',
    'audit.forward.3.username (shiplog.yml, line 6): found "b"; expected only one of token and username',
  ]);
});

test('no variable holds the targets of the audit log', async () => {
  assert.deepEqual(await faults(loadConfiguration({ environment: { SHIPLOG_AUDIT_FORWARD: 'a' } })), [
    'SHIPLOG_AUDIT_FORWARD: found an unknown environment variable; expected a variable that Shiplog reads',
  ]);
});
