import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { ask, digestOf, insist, makeImage, pushBlob, pushImage, seeded } from './oci-client.ts';
import { postmasterOf } from './postgres-of.ts';

test('what was acknowledged before a crash of PostgreSQL is never denied after it', async (t) => {
  const server = await startServer(t);
  const random = seeded(1);
  for (let crash = 1; crash <= 5; crash++) {
    const image = makeImage(random);
    const blob = Buffer.from(`pushed just before crash ${crash}`);
    await insist(() => pushImage(server, 'library/crash', `crash-${crash}`, image));
    await insist(() => pushBlob(server, 'library/crash', blob));
    process.kill(await postmasterOf(server.dataDirectory), 'SIGKILL');

    const [found, tagged] = await Promise.all([
      insist(() => ask(server, `/v2/library/crash/blobs/${digestOf(blob)}`, { method: 'HEAD' })),
      insist(() => ask(server, `/v2/library/crash/manifests/crash-${crash}`)),
    ]);
    assert.equal(found.status, 200, `the blob after crash ${crash}`);
    assert.equal(tagged.status, 200, `the tag after crash ${crash}: ${tagged.body}`);
  }
});
