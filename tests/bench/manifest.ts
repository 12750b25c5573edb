import { createHash } from 'node:crypto';
import { type Bench, type Figure, measure, milliseconds, percentile, perSecond, ratio } from './bench.ts';
import { connect, locationOf } from './http-client.ts';
import { cpuMsOf } from './processes.ts';
import { onEach, type Registry } from './registries.ts';

const concurrency = 16;
const requests = 8_000;
const repository = 'library/pulled';
const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const path = `/v2/${repository}/manifests/1.0`;

/** The requests of which every pull begins with one, and those for what is small. */
export const manifest: Bench = {
  name: 'manifest',
  async run() {
    const [ours, peer] = await onEach(pull);
    return [
      ...figuresOf('GET of a manifest by tag', { rate: 3, cpu: 3 }, ours.get, peer?.get),
      ...figuresOf('HEAD of a manifest by tag', { rate: 3, cpu: 3 }, ours.head, peer?.head),
      ...figuresOf('GET of a blob of 300 bytes', { rate: 5, cpu: 8 }, ours.blob, peer?.blob),
    ];
  },
};

type Load = Awaited<ReturnType<typeof load>>;

function figuresOf(
  work: string,
  goal: { rate: number; cpu: number },
  ours: Load,
  peer: Load | undefined,
): Figure[] {
  return [
    {
      work: `${work}, ${concurrency} at once: requests`,
      ours: perSecond(ours.rate, 1000),
      ...(peer && {
        peer: perSecond(peer.rate, 1000),
        ratio: ratio(ours.rate, peer.rate),
        goal: `≥ ${goal.rate} × the peer`,
        met: ours.rate >= goal.rate * peer.rate,
      }),
    },
    {
      work: `${work}: p50, p99`,
      ours: `${milliseconds(ours.p50)}, ${milliseconds(ours.p99)}`,
      ...(peer && { peer: `${milliseconds(peer.p50)}, ${milliseconds(peer.p99)}` }),
    },
    {
      work: `${work}: CPU of the server`,
      ours: milliseconds(ours.cpuMs),
      ...(peer && {
        peer: milliseconds(peer.cpuMs),
        ratio: ratio(ours.cpuMs, peer.cpuMs),
        goal: `≤ 1/${goal.cpu} of the peer`,
        met: ours.cpuMs <= peer.cpuMs / goal.cpu,
      }),
    },
  ];
}

async function pull(registry: Registry) {
  const blob = Buffer.from(JSON.stringify({ filling: 'x'.repeat(284) }));
  const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`;
  const pushing = connect(registry);
  try {
    const opened = await pushing.send('POST', `/v2/${repository}/blobs/uploads/`, 202, {
      body: new Uint8Array(),
    });
    await pushing.send('PUT', locationOf(opened, digest), 201, { body: blob });
    const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: blob.length };
    const layers = Array.from({ length: 5 }, () => descriptor);
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers }));
    await pushing.send('PUT', path, 201, { headers: { 'content-type': mediaType }, body });
  } finally {
    pushing.close();
  }

  const client = connect({ ...registry, headers: await registry.pullHeaders(repository) });
  const accept = { headers: { accept: mediaType } };
  try {
    return {
      get: await load(registry, () => client.send('GET', path, 200, accept)),
      head: await load(registry, () => client.send('HEAD', path, 200, accept)),
      blob: await load(registry, () => client.send('GET', `/v2/${repository}/blobs/${digest}`, 200)),
    };
  } finally {
    client.close();
  }
}

async function load(registry: Registry, request: () => Promise<unknown>) {
  // Long enough for the compilers of Node to be done.
  await measure(concurrency, requests, request);
  const before = cpuMsOf(registry.pid);
  const { eachMs, allMs } = await measure(concurrency, requests, request);
  return {
    rate: (requests / allMs) * 1000,
    p50: percentile(eachMs, 0.5),
    p99: percentile(eachMs, 0.99),
    cpuMs: (cpuMsOf(registry.pid) - before) / requests,
  };
}
