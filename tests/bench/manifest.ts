import { createHash } from 'node:crypto';
import { type Bench, measure, milliseconds, percentile, perSecond, ratio } from './bench.ts';
import { connect, locationOf } from './http-client.ts';
import { cpuMsOf } from './processes.ts';
import { onEach, type Registry } from './registries.ts';

const concurrency = 16;
const requests = 8_000;
const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const path = '/v2/library/pulled/manifests/1.0';

/** The request that every pull begins with. */
export const manifest: Bench = {
  name: 'manifest',
  async run() {
    const [ours, peer] = await onEach(getByTag);
    return [
      {
        work: `GET of a manifest by tag, ${concurrency} at once: requests`,
        ours: perSecond(ours.rate, 1000),
        ...(peer && {
          peer: perSecond(peer.rate, 1000),
          ratio: ratio(ours.rate, peer.rate),
          goal: '≥ 3 × the peer',
          met: ours.rate >= 3 * peer.rate,
        }),
      },
      {
        work: 'GET of a manifest by tag: p50, p99',
        ours: `${milliseconds(ours.p50)}, ${milliseconds(ours.p99)}`,
        ...(peer && { peer: `${milliseconds(peer.p50)}, ${milliseconds(peer.p99)}` }),
      },
      {
        work: 'GET of a manifest by tag: CPU of the server',
        ours: milliseconds(ours.cpuMs),
        ...(peer && {
          peer: milliseconds(peer.cpuMs),
          ratio: ratio(ours.cpuMs, peer.cpuMs),
          goal: '≤ 1/3 of the peer',
          met: ours.cpuMs <= peer.cpuMs / 3,
        }),
      },
    ];
  },
};

async function getByTag(registry: Registry) {
  const client = connect(registry);
  try {
    const config = Buffer.from('{}');
    const digest = `sha256:${createHash('sha256').update(config).digest('hex')}`;
    const opened = await client.send('POST', '/v2/library/pulled/blobs/uploads/', 202, {
      body: new Uint8Array(),
    });
    await client.send('PUT', locationOf(opened, digest), 201, { body: config });
    const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: config.length };
    const layers = Array.from({ length: 5 }, () => descriptor);
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers }));
    await client.send('PUT', path, 201, { headers: { 'content-type': mediaType }, body });

    const get = () => client.send('GET', path, 200, { headers: { accept: mediaType } });
    await measure(concurrency, requests / 4, get);
    const before = cpuMsOf(registry.pid);
    const { eachMs, allMs } = await measure(concurrency, requests, get);
    return {
      rate: (requests / allMs) * 1000,
      p50: percentile(eachMs, 0.5),
      p99: percentile(eachMs, 0.99),
      cpuMs: (cpuMsOf(registry.pid) - before) / requests,
    };
  } finally {
    client.close();
  }
}
