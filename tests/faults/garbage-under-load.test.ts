import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCollector } from '../http/collector.ts';
import { startServer, type TestServer } from '../server.ts';
import {
  ask,
  digestOf,
  type Image,
  imageType,
  makeImage,
  NotAcknowledged,
  pullImage,
  pushImage,
  seeded,
} from './oci-client.ts';

const clients = 8;
const forMs = Number(process.env.SHIPLOG_TEST_GARBAGE_SECONDS ?? 15) * 1000;

test('with a collector that knows no grace and never rests, every push that is acknowledged can be pulled', async (t) => {
  const seed = Number(process.env.SHIPLOG_TEST_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`SHIPLOG_TEST_SEED=${seed}`);
  const server = await startServer(t);
  const collector = await openCollector(t, server);
  const tally: Tally = { acknowledged: 0, refused: 0, runs: 0, removed: 0 };
  const stopping = new AbortController();

  const collecting = collectWithoutRest();
  const until = performance.now() + forMs;
  const pushed = await Promise.all(
    Array.from({ length: clients }, (_, client) => pushUntil(server, client, seed, until, tally)),
  ).finally(() => stopping.abort());
  await collecting;

  t.diagnostic(JSON.stringify(tally));
  assert.ok(tally.acknowledged > clients && tally.runs > 1 && tally.removed > clients, JSON.stringify(tally));
  const live = pushed.flatMap(({ tags }) => [...tags]);
  for (const [name, { image, signature }] of live) {
    const [repository = '', tag = ''] = name.split(':');
    assert.equal(await pullImage(server, repository, tag), image.digest, name);
    if (signature !== undefined)
      assert.equal(await pullImage(server, repository, signature), signature, `what refers to ${name}`);
  }
  assert.equal((await server.run('verify')).code, 0);

  await collector.collect({ orphanHours: 0 });
  const signatures = pushed.flatMap((client) => client.signatures);
  const { links, artifacts } = keptBy(
    live.map(([name, { image }]) => ({ repository: name.split(':')[0] ?? '', image })),
    signatures,
  );
  const { pool } = collector.database;
  const linked = await pool.query(
    `SELECT repository || '@' || digest AS name, key FROM blobs_v4.links JOIN blobs_v4.blobs USING (digest)`,
  );
  const present = await pool.query(
    `SELECT repository || '@' || digest AS name, key FROM artifacts_v3.artifacts`,
  );
  assert.deepEqual(
    linked.rows.map(({ name }) => name).filter((name) => !links.has(name)),
    [],
    'links that nothing needs',
  );
  assert.deepEqual(
    present.rows.map(({ name }) => name).filter((name) => !artifacts.has(name)),
    [],
    'manifests that nothing keeps',
  );
  const keys = new Set([...linked.rows, ...present.rows].map(({ key }) => key));
  assert.deepEqual((await collector.keys()).toSorted(), [...keys].toSorted(), 'the stored bytes');

  async function collectWithoutRest(): Promise<void> {
    while (!stopping.signal.aborted) {
      const run = await collector.run();
      assert.equal(run?.status, 'completed');
      tally.runs += 1;
      tally.removed += run.blobs + run.manifests;
    }
  }
});

/** What may be there in the end: signatures stay with what they refer to, whoever has pushed it. */
function keptBy(
  images: readonly { readonly repository: string; readonly image: Image }[],
  signatures: readonly Signature[],
) {
  const links = new Set<string>();
  const artifacts = new Set<string>();
  for (const { repository, image } of images) {
    artifacts.add(`${repository}@${image.digest}`);
    for (const blob of image.blobs) links.add(`${repository}@${digestOf(blob)}`);
  }
  for (const { repository, subject, digest, blob } of signatures) {
    if (!artifacts.has(`${repository}@${subject}`)) continue;
    artifacts.add(`${repository}@${digest}`);
    links.add(`${repository}@${blob}`);
  }
  return { links, artifacts };
}

interface Tally {
  acknowledged: number;
  /** Pushes that the client had to begin again, since something it had seen was gone. */
  refused: number;
  runs: number;
  removed: number;
}

interface Pushed {
  readonly image: Image;
  /** The digest of a manifest that refers to it. */
  readonly signature?: string;
}

interface Signature {
  readonly repository: string;
  readonly subject: string;
  readonly digest: string;
  /** The digest of what it needs. */
  readonly blob: string;
}

/**
 * One client: pushes images, some of which others push too, under tags that move or go again, and pulls each at once.
 * Resolves to what its tags point at in the end, and to all signatures that it ever pushed.
 */
async function pushUntil(server: TestServer, client: number, seed: number, until: number, tally: Tally) {
  const random = seeded(seed + client);
  const images = Array.from({ length: 4 }, () => makeImage(seeded(seed + Math.floor(random() * 6)), 3));
  const tags = new Map<string, Pushed>();
  const signatures: Signature[] = [];
  while (performance.now() < until) {
    const repository = `library/app-${Math.floor(random() * 2)}`;
    const tag = `client-${client}-${Math.floor(random() * 3)}`;
    const name = `${repository}:${tag}`;
    const image = (random() < 0.5 && images[Math.floor(random() * images.length)]) || makeImage(random, 2);
    await again(tally, () => pushImage(server, repository, tag, image));
    tags.set(name, { image });
    tally.acknowledged += 1;
    assert.equal(await pullImage(server, repository, tag), image.digest, `${name} right after its push`);
    if (random() < 0.3) {
      const signature = await sign(server, repository, image, name, tally);
      tags.set(name, { image, signature: signature.digest });
      signatures.push(signature);
    }
    if (random() < 0.3) {
      const deleted = await ask(server, `/v2/${repository}/manifests/${tag}`, { method: 'DELETE' });
      assert.equal(deleted.status, 202, deleted.body.toString());
      tags.delete(name);
    }
  }
  return { tags, signatures };
}

/** Pushes a manifest that refers to the image, which a tag keeps. */
async function sign(
  server: TestServer,
  repository: string,
  image: Image,
  name: string,
  tally: Tally,
): Promise<Signature> {
  const blob = Buffer.from(`signature of ${name}`);
  const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(blob), size: blob.length };
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    config: descriptor,
    layers: [descriptor],
    subject: { mediaType: imageType, digest: image.digest, size: image.manifest.length },
  });
  const digest = digestOf(manifest);
  await again(tally, () => pushImage(server, repository, digest, { manifest, digest, blobs: [blob] }));
  tally.acknowledged += 1;
  assert.equal(await pullImage(server, repository, digest), digest, `the signature of ${name}`);
  return { repository, subject: image.digest, digest, blob: digestOf(blob) };
}

/** A client begins its push again where something that it had seen is gone; any other refusal fails the test. */
async function again(tally: Tally, push: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await push();
    } catch (error) {
      if (error instanceof NotAcknowledged || !String(error).includes('MANIFEST_BLOB_UNKNOWN')) throw error;
      tally.refused += 1;
      assert.ok(attempt < 50, 'a push gets through at last');
    }
  }
}
