import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../infra/database/embedded-postgres.ts';
import { startServer, type TestServer } from '../server.ts';
import {
  type Answer,
  ask,
  digestOf,
  type Image,
  insist,
  makeImage,
  pushImage,
  seeded,
} from './oci-client.ts';
import { queryPostgres } from './postgres-of.ts';

const drop = 'drop database shiplog_views with (force)';
const repository = 'library/kept/app';

test('the views can be lost with their whole database, and everything is answered as before', async (t) => {
  const server = await startServer(t);
  const random = seeded(2);
  const images = Array.from({ length: 5 }, () => makeImage(random));
  for (const [index, image] of images.entries()) await pushImage(server, repository, `v${index}`, image);
  await pushImage(server, repository, 'v0', makeImage(random));
  await pushImage(server, 'library/other', 'latest', makeImage(random));
  const before = await answers(server, images);

  await t.test('dropped while the server is stopped, replayed by hand', async () => {
    await server.stop();
    await dropStopped(server);
    const replayed = await server.run('replay');
    assert.equal(replayed.code, 0, replayed.output);
    const verified = await server.run('verify');
    assert.equal(verified.code, 0, verified.output);
    await server.start();
    assert.deepEqual(await answers(server, images), before);
  });

  await t.test('dropped while the server is stopped, rebuilt by its next start', async () => {
    await server.stop();
    await dropStopped(server);
    await server.start();
    assert.deepEqual(await answers(server, images), before);
    const verified = await server.run('verify');
    assert.equal(verified.code, 0, verified.output);
  });

  await t.test('dropped under a server that goes on and never gives a wrong answer', async () => {
    const pid = server.pid();
    await queryPostgres(server.dataDirectory, 'postgres', drop);
    let rebuilt = false;
    const rebuilding = server.run('replay').finally(() => {
      rebuilt = true;
    });
    // While they are away each request is refused as a passing outage, and then answered right.
    const statuses = new Set<number>();
    const asking = Array.from({ length: 4 }, async () => {
      while (!rebuilt) statuses.add((await server.fetch(`/v2/${repository}/manifests/v1`)).status);
    });
    assert.deepEqual(await answers(server, images), before);
    const replayed = await rebuilding;
    await Promise.all(asking);
    assert.deepEqual(
      [...statuses].filter((status) => status !== 200 && status !== 503),
      [],
    );
    assert.equal(replayed.code, 0, replayed.output);
    assert.deepEqual(await answers(server, images), before);
    const verified = await server.run('verify');
    assert.equal(verified.code, 0, verified.output);

    const next = makeImage(random);
    await insist(() => pushImage(server, repository, 'next', next));
    assert.equal((await ask(server, `/v2/${repository}/manifests/next`)).status, 200);
    assert.equal(server.pid(), pid);
  });
});

/** Drops the views' database with a PostgreSQL that is started for nothing else. */
async function dropStopped({ dataDirectory }: TestServer): Promise<void> {
  const postgres = await startEmbeddedPostgres({ directory: join(dataDirectory, 'postgres') });
  const client = new pg.Client(postgres.connection('postgres'));
  try {
    await client.connect();
    await client.query(drop);
  } finally {
    await client.end();
    await postgres.stop();
  }
}

/** Status, headers but the date, and body of the same requests, each repeated while the server says to try again. */
async function answers(server: TestServer, images: readonly Image[]) {
  const anonymous = { headers: { authorization: '' } };
  const requests: [string, RequestInit][] = [
    ['/v2/', {}],
    ['/v2/', anonymous],
    [`/v2/${repository}/tags/list`, {}],
    [`/v2/${repository}/tags/list?n=2`, anonymous],
    [`/v2/${repository}/tags/list?n=2&last=v1`, {}],
    [`/v2/${repository}/manifests/unknown`, {}],
    [`/v2/${repository}/blobs/${digestOf('unknown')}`, {}],
    ['/v2/library/unknown/tags/list', {}],
    ['/v2/unknown/app/tags/list', {}],
    ['/v2/library/other/manifests/latest', anonymous],
    ['/v2/library/app/manifests/v1', { headers: { authorization: 'Basic d3Jvbmc6d3Jvbmc=' } }],
    ...images.flatMap(({ digest, blobs }, index): [string, RequestInit][] => [
      [`/v2/${repository}/manifests/v${index}`, {}],
      [`/v2/${repository}/manifests/v${index}`, { method: 'HEAD' }],
      [`/v2/${repository}/manifests/${digest}`, anonymous],
      ...blobs.flatMap((blob): [string, RequestInit][] => [
        [`/v2/${repository}/blobs/${digestOf(blob)}`, {}],
        [`/v2/${repository}/blobs/${digestOf(blob)}`, { method: 'HEAD' }],
        [`/v2/${repository}/blobs/${digestOf(blob)}`, { headers: { range: 'bytes=1-5' } }],
        // Blobs are read where they are linked, and nowhere else.
        [`/v2/library/elsewhere/blobs/${digestOf(blob)}`, { method: 'HEAD' }],
      ]),
    ]),
  ];
  const given: Record<string, unknown> = {};
  for (const [path, init] of requests) {
    const key = `${init.method ?? 'GET'} ${path} ${JSON.stringify(init.headers ?? {})}`;
    given[key] = comparable(await insist(() => ask(server, path, init)));
  }
  return given;
}

function comparable({ status, headers, body }: Answer) {
  const kept = [...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id');
  return { status, headers: Object.fromEntries(kept), body: body.toString('latin1') };
}
