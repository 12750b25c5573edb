import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import pg from 'pg';
import { startPostgres } from '../postgres.ts';
import { startServer } from '../server.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { until } from '../until.ts';
import {
  digestOf,
  type Image,
  imageType,
  insist,
  makeImage,
  pullImage,
  pushImage,
  seeded,
  tagsOf,
} from './oci-client.ts';

const repository = 'library/external';

/** A server on a database that others run, and the way there, which can be cut. */
async function startOnExternalDatabase(t: TestContext) {
  const postgres = await startPostgres(t);
  const { host, port, user, password, database } = postgres.connection();
  const way = await startTcpProxy(t, { path: join(host, `.s.PGSQL.${port}`) });
  const server = await startServer(t, {
    environment: {
      SHIPLOG_EXTERNAL_DATABASE_HARBOR_HOST: '127.0.0.1',
      SHIPLOG_EXTERNAL_DATABASE_HARBOR_PORT: String(way.port),
      SHIPLOG_EXTERNAL_DATABASE_HARBOR_DB_NAME: database,
      SHIPLOG_EXTERNAL_DATABASE_HARBOR_USERNAME: user,
      SHIPLOG_EXTERNAL_DATABASE_HARBOR_PASSWORD: password,
      SHIPLOG_EXTERNAL_DATABASE_HARBOR_WAIT_SECONDS: '60',
    },
  });
  return { server, way, postgres };
}

/** A session of the operator of the database, and what ends all that it has changed and holds. */
async function openSession(t: TestContext, connection: pg.ClientConfig) {
  const session = new pg.Client({ ...connection, options: '-c default_transaction_read_only=off' });
  await session.connect();
  const reset = async () => {
    await session.query('select pg_advisory_unlock_all()');
    await session.query('alter system reset all');
    await session.query('select pg_reload_conf()');
  };
  t.after(async () => {
    await reset();
    await session.end();
  });
  return { session, reset };
}

async function isRefusedAsOutage(refused: Response): Promise<void> {
  assert.equal(refused.status, 503);
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
  const { errors } = (await refused.json()) as { errors: { code: string }[] };
  assert.equal(errors[0]?.code, 'UNAVAILABLE');
}

test('a database that is away at the start is waited for, and the log says so', async (t) => {
  const { server, way } = await startOnExternalDatabase(t);
  const image = makeImage(seeded(6));
  await pushImage(server, repository, 'kept', image);
  await server.stop();
  const restore = await way.cut();
  const heard = server.lines.length;

  const starting = server.start();
  await until('it says what it waits for', () =>
    server.lines
      .slice(heard)
      .some(({ msg }) => /^waiting for the database .* at 127\.0\.0\.1:/.test(msg ?? '')),
  );
  await restore();
  await starting;

  assert.equal(await pullImage(server, repository, 'kept'), image.digest);
});

test('while the database is cut off a push is refused as a passing outage, and then goes on', async (t) => {
  const { server, way } = await startOnExternalDatabase(t);
  const pid = server.pid();
  const random = seeded(7);
  const images = new Map<string, Image>(
    Array.from({ length: 24 }, (_, index) => [`v${index}`, makeImage(random)]),
  );
  const kept = makeImage(random);
  await pushImage(server, repository, 'kept', kept);

  let acknowledged = 0;
  const pushing = Promise.all(
    [...images].map(async ([tag, image]) => {
      await insist(() => pushImage(server, repository, tag, image));
      acknowledged += 1;
    }),
  );
  await until('some are pushed', () => acknowledged > 2);
  const restore = await way.cut();
  for (const [path, init] of [
    [`/v2/${repository}/manifests/kept`, {}],
    [`/v2/${repository}/blobs/uploads/`, { method: 'POST' }],
  ] as const) {
    await isRefusedAsOutage(await server.fetch(path, init));
  }
  assert.equal((await server.fetch('/readyz')).status, 503);
  assert.equal((await server.fetch('/healthz')).status, 200);
  await restore();
  await pushing;

  await until('it is ready again', async () => (await server.fetch('/readyz')).status === 200);
  assert.equal(server.pid(), pid);
  for (const [tag, { digest }] of images) assert.equal(await pullImage(server, repository, tag), digest, tag);
  assert.equal(await pullImage(server, repository, 'kept'), kept.digest);
  assert.deepEqual((await tagsOf(server, repository)).toSorted(), ['kept', ...images.keys()].toSorted());
  const verified = await server.run('verify');
  assert.equal(verified.code, 0, verified.output);
});

for (const [what, setting, hold] of [
  ['takes no writes', "default_transaction_read_only = 'on'", 'select'],
  [
    'does not come to its writes',
    "statement_timeout = '500ms'",
    "select pg_advisory_lock(hashtextextended('shiplog.event_log.append', 0))",
  ],
] as const) {
  test(`while the database ${what} a push is refused as a passing outage, and pulls go on`, async (t) => {
    const { server, postgres } = await startOnExternalDatabase(t);
    const random = seeded(8);
    const [kept, later] = [makeImage(random), makeImage(random)];
    await pushImage(server, repository, 'kept', kept);
    const [known = Buffer.alloc(0)] = kept.blobs;
    const { session, reset } = await openSession(t, postgres.connection());
    await session.query(hold);
    await session.query(`alter system set ${setting}`);
    await session.query('select pg_reload_conf()');

    await until('it is refused', async () => {
      const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf('later')}`;
      const refused = await server.fetch(path, { method: 'POST', body: 'later' });
      // A connection hears of the setting a moment later.
      if (refused.status === 201) return false;
      await isRefusedAsOutage(refused);
      return true;
    });
    await isRefusedAsOutage(
      await server.fetch(`/v2/${repository}/manifests/other`, {
        method: 'PUT',
        headers: { 'content-type': imageType },
        body: kept.manifest,
      }),
    );
    assert.equal(await pullImage(server, repository, kept.digest), kept.digest);
    assert.equal(await pullImage(server, repository, 'kept'), kept.digest);
    const head = await server.fetch(`/v2/${repository}/blobs/${digestOf(known)}`, { method: 'HEAD' });
    assert.equal(head.status, 200);

    await reset();
    await insist(() => pushImage(server, repository, 'later', later));
    assert.equal(await pullImage(server, repository, 'later'), later.digest);
    assert.deepEqual((await tagsOf(server, repository)).toSorted(), ['kept', 'later']);
  });
}
