import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startPostgres } from '../postgres.ts';
import { startServer } from '../server.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { until } from '../until.ts';
import { type Image, insist, makeImage, pullImage, pushImage, seeded, tagsOf } from './oci-client.ts';

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
  return { server, way };
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
    const refused = await server.fetch(path, init);
    assert.equal(refused.status, 503);
    assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
    const { errors } = (await refused.json()) as { errors: { code: string }[] };
    assert.equal(errors[0]?.code, 'UNAVAILABLE');
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
