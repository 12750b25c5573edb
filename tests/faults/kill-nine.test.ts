import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startServer, type TestServer } from '../server.ts';
import { findTool } from '../tool.ts';
import { until } from '../until.ts';
import {
  type Image,
  insist,
  makeImage,
  NotAcknowledged,
  pullImage,
  pushImage,
  seeded,
  tagsOf,
} from './oci-client.ts';
import { postgresProcessesOf, postmasterOf, queryPostgres } from './postgres-of.ts';

const execute = promisify(execFile);

const pushes = 200;
const pushesBySkopeo = 6;
const clients = 4;
/** `start` kills a server that is just starting again. */
const faults = [
  ...Array.from({ length: 17 }, () => 'server' as const),
  ...Array.from({ length: 3 }, () => 'start' as const),
  ...Array.from({ length: 4 }, () => 'postgres' as const),
];

test('no push that was acknowledged is lost, whoever is killed, and nothing is visible half-way', async (t) => {
  const seed = Number(process.env.SHIPLOG_TEST_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`SHIPLOG_TEST_SEED=${seed}`);
  const server = await startServer(t);
  /** By `<repository>:<tag>`: the digest of the last push that was acknowledged. */
  const acknowledged = new Map<string, string>();
  let count = 0;
  const acknowledge = (repository: string, tag: string, { digest }: Image) => {
    acknowledged.set(`${repository}:${tag}`, digest);
    count += 1;
  };

  const pushing = Promise.all([
    ...Array.from({ length: clients }, (_, client) => push(server, client, seed, acknowledge)),
    pushBySkopeo(t, server, seed, acknowledge),
  ]);
  let failed = false;
  pushing.catch(() => {
    failed = true;
  });
  // A client that has failed ends the killing too.
  await kill(server, seed, () => (failed ? Number.POSITIVE_INFINITY : count));
  await pushing;
  assert.ok(count >= pushes);

  for (const [name, digest] of acknowledged) {
    const [repository = '', tag = ''] = name.split(':');
    assert.equal(await pullImage(server, repository, tag), digest, name);
  }
  await checkEverythingVisible(server);
  const verified = await server.run('verify');
  assert.equal(verified.code, 0, verified.output);

  assert.equal(await server.stop(), 0);
  if (process.platform === 'linux') assert.deepEqual(await postgresProcessesOf(server.dataDirectory), []);
});

type Acknowledge = (repository: string, tag: string, image: Image) => void;

/** One client: pushes new images under new tags, and every third under a tag that moves. */
async function push(server: TestServer, client: number, seed: number, acknowledge: Acknowledge) {
  const random = seeded(seed + client);
  for (let each = 0; each < pushes / clients; each++) {
    const image = makeImage(random, 1 + Math.floor(random() * 4));
    const repository = `library/app-${Math.floor(random() * 3)}`;
    const tag = each % 3 === 0 ? `moving-${client}` : `client-${client}-${each}`;
    const requests = () => (1 + Math.floor(random() * 3)) as 1 | 2 | 3;
    await insist(() => pushImage(server, repository, tag, image, requests));
    acknowledge(repository, tag, image);
  }
}

async function pushBySkopeo(t: TestContext, server: TestServer, seed: number, acknowledge: Acknowledge) {
  const skopeo = findTool('skopeo');
  if (skopeo === undefined) {
    if (process.env.CI) throw new Error('skopeo is not on this machine; .ci/install-tools installs it');
    t.diagnostic('skopeo is not on this machine, and pushes nothing here');
    return;
  }
  const random = seeded(seed - 1);
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-faults-'));
  try {
    for (let each = 0; each < pushesBySkopeo; each++) {
      const image = makeImage(random);
      await writeDirectory(folder, image);
      const target = `docker://${server.registry}/library/skopeo:${each}`;
      const options = ['--preserve-digests', '--dest-tls-verify=false', '--dest-creds'];
      const args = [
        'copy',
        '--insecure-policy',
        ...options,
        `admin:${server.password}`,
        `dir:${folder}`,
        target,
      ];
      await insist(async () => {
        try {
          await execute(skopeo, args, { timeout: 60_000, killSignal: 'SIGKILL' });
        } catch (error) {
          throw new NotAcknowledged('skopeo has failed', undefined, { cause: error });
        }
      });
      acknowledge('library/skopeo', String(each), image);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** As skopeo's transport `dir` has it. */
async function writeDirectory(folder: string, { manifest, blobs }: Image): Promise<void> {
  const { config, layers } = JSON.parse(manifest) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  await writeFile(join(folder, 'version'), 'Directory Transport Version: 1.1\n');
  await writeFile(join(folder, 'manifest.json'), manifest);
  for (const [index, { digest }] of [config, ...layers].entries()) {
    await writeFile(join(folder, digest.slice('sha256:'.length)), blobs[index] ?? '');
  }
}

/** Spreads the faults over the pushes, each at a random moment of one. */
async function kill(server: TestServer, seed: number, pushed: () => number): Promise<void> {
  const random = seeded(seed + 1000);
  const order = faults.map((fault) => ({ fault, at: random() })).toSorted((a, b) => a.at - b.at);
  for (const [index, { fault }] of order.entries()) {
    const after = Math.floor(((index + random()) * (pushes - 20)) / order.length);
    await until(`${after} pushes are acknowledged`, () => pushed() >= after, 120_000);
    await pause(random() * 30);
    if (fault === 'postgres') {
      process.kill(await postmasterOf(server.dataDirectory), 'SIGKILL');
      continue;
    }
    await server.stop('SIGKILL');
    if (fault === 'start') {
      const starting = server.start().catch(() => undefined);
      await pause(random() * 1500);
      await server.stop('SIGKILL');
      await starting;
    }
    await server.start();
  }
}

/** Whatever the API and the log name must be there, whole. */
async function checkEverythingVisible(server: TestServer): Promise<void> {
  for (const repository of ['library/app-0', 'library/app-1', 'library/app-2', 'library/skopeo']) {
    for (const tag of await tagsOf(server, repository)) await pullImage(server, repository, tag);
  }
  const events = await queryPostgres(
    server.dataDirectory,
    'shiplog_log',
    `select type, data->>'repository' as repository, data->>'digest' as digest from event_log.events
      where type in ('ManifestPushed', 'BlobLinked')`,
  );
  assert.ok(events.length > pushes);
  for (const { type, repository, digest } of events) {
    if (type === 'ManifestPushed') await pullImage(server, String(repository), String(digest));
    else {
      const answer = await server.fetch(`/v2/${repository}/blobs/${digest}`, { method: 'HEAD' });
      assert.equal(answer.status, 200, `${digest} in ${repository}`);
    }
  }
}
