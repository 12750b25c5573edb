import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startGateways } from '../gateways.ts';
import type { TestServer } from '../server.ts';
import { until } from '../until.ts';
import {
  ask,
  type Image,
  insist,
  makeImage,
  NotAcknowledged,
  pullImage,
  pushImage,
  seeded,
} from './oci-client.ts';

const isLong = process.env.SHIPLOG_TEST_LONG !== undefined;
const pushes = isLong ? 1000 : 150;
const kills = isLong ? 40 : 6;
const clients = 5;

test('no push that was acknowledged is lost while one of two gateways is killed again and again', async (t) => {
  const seed = Number(process.env.SHIPLOG_TEST_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`SHIPLOG_TEST_SEED=${seed}`);
  const { one, other } = await startGateways(t);
  const gateways = [one, other] as const;
  /** By `<repository>:<tag>`: the digest of the last push that was acknowledged. */
  const acknowledged = new Map<string, string>();
  let count = 0;
  let readElsewhere = 0;

  async function pushAll(client: number): Promise<void> {
    const random = seeded(seed + client);
    const either = eitherOf(gateways, random);
    for (let each = 0; each < pushes / clients; each++) {
      const image = makeImage(random, 1 + Math.floor(random() * 3));
      const repository = `library/app-${Math.floor(random() * 3)}`;
      const tag = each % 3 === 0 ? `moving-${client}` : `client-${client}-${each}`;
      const requests = () => (1 + Math.floor(random() * 3)) as 1 | 2 | 3;
      await insist(() => pushImage(either, repository, tag, image, requests));
      acknowledged.set(`${repository}:${tag}`, image.digest);
      count += 1;
      for (const gateway of gateways) if (await shows(gateway, repository, tag, image)) readElsewhere += 1;
    }
  }

  const pushing = Promise.all(Array.from({ length: clients }, (_, client) => pushAll(client)));
  let failed = false;
  pushing.catch(() => {
    failed = true;
  });
  const random = seeded(seed + 1000);
  for (let kill = 0; kill < kills; kill++) {
    const after = Math.floor(((kill + random()) * (pushes - 10)) / kills);
    await until(`${after} pushes are acknowledged`, () => failed || count >= after, 300_000);
    if (failed) break;
    const gateway = gateways[random() < 0.5 ? 0 : 1];
    await pause(random() * 30);
    await gateway.stop('SIGKILL');
    await gateway.start();
  }
  await pushing;
  assert.equal(count, pushes);
  assert.ok(readElsewhere > pushes, `${readElsewhere} reads right after a push`);

  for (const [index, [name, digest]] of [...acknowledged].entries()) {
    const [repository = '', tag = ''] = name.split(':');
    assert.equal(await pullImage(gateways[index % 2 === 0 ? 0 : 1], repository, tag), digest, name);
  }
  const verified = await one.run('verify');
  assert.equal(verified.code, 0, verified.output);
  assert.doesNotMatch(verified.output, /DIFFERS/);
});

/** Sends each request to one of the gateways, whichever the lot falls on. */
function eitherOf(gateways: readonly [TestServer, TestServer], random: () => number): TestServer {
  return {
    ...gateways[0],
    fetch: (path, init) => gateways[random() < 0.5 ? 0 : 1].fetch(path, init),
  };
}

/** Whether it answered at all; fails the test where it answers with anything but what was pushed last. */
async function shows(gateway: TestServer, repository: string, tag: string, image: Image): Promise<boolean> {
  try {
    const answer = await ask(gateway, `/v2/${repository}/manifests/${tag}`, { method: 'HEAD' });
    const shown = [answer.status, answer.headers.get('docker-content-digest')];
    assert.deepEqual(shown, [200, image.digest], `${repository}:${tag} at ${gateway.url}`);
    return true;
  } catch (error) {
    if (error instanceof NotAcknowledged) return false;
    throw error;
  }
}
