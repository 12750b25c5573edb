import { createHash, randomBytes } from 'node:crypto';
import { type Bench, type Figure, measureFor, milliseconds, percentile, perSecond } from './bench.ts';
import { connect, type HttpClient, locationOf } from './http-client.ts';
import { cpuMsOf } from './processes.ts';
import { besides, each, onEach, type Registry, type Shown } from './registries.ts';

const concurrency = 16;
const seconds = 4;
const repository = 'library/pulled';
const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const path = `/v2/${repository}/manifests/1.0`;

interface Work {
  readonly name: string;
  /** How many times the peer's rate, and what part of its CPU, is the goal; none is stated for all. */
  readonly goal?: { readonly rate: number; readonly cpu: number };
  /** Of the blob; undefined for the manifest. */
  readonly bytes?: number;
  readonly method?: 'HEAD';
}

const small = { rate: 5, cpu: 8 };
const works: readonly Work[] = [
  { name: 'GET of a manifest by tag', goal: { rate: 3, cpu: 3 } },
  { name: 'HEAD of a manifest by tag', goal: { rate: 3, cpu: 3 }, method: 'HEAD' },
  { name: 'GET of a blob of 300 bytes', goal: small, bytes: 300 },
  { name: 'GET of a blob of 64 KiB', goal: small, bytes: 64 * 1024 },
  { name: 'GET of a blob of 1 MiB', bytes: 1024 * 1024 },
];

/** The requests of which every pull begins with one, and those for what is small. */
export const manifest: Bench = {
  name: 'manifest',
  async run() {
    const shown = await onEach(pull);
    return works.flatMap((work, index) =>
      figuresOf(
        work,
        each(shown, (loads) => loads[index] as Load),
      ),
    );
  },
};

interface Load {
  /** Requests a second. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** Of the server, per request. */
  readonly cpuMs: number;
}

function figuresOf({ name, goal }: Work, shown: Shown<Load>): Figure[] {
  const { ours, peer } = shown;
  return [
    {
      work: `${name}, ${concurrency} at once: requests`,
      ...besides(
        shown,
        ({ rate }) => perSecond(rate, 1000),
        ({ rate }) => rate,
      ),
      ...(peer && goal && { goal: `≥ ${goal.rate} × the peer`, met: ours.rate >= goal.rate * peer.rate }),
    },
    {
      work: `${name}: p50, p99`,
      ...besides(shown, ({ p50, p99 }) => `${milliseconds(p50)}, ${milliseconds(p99)}`),
    },
    {
      work: `${name}: CPU of the server`,
      ...besides(
        shown,
        ({ cpuMs }) => `${cpuMs.toFixed(3)} ms`,
        ({ cpuMs }) => cpuMs,
      ),
      ...(peer && goal && { goal: `≤ 1/${goal.cpu} of the peer`, met: ours.cpuMs <= peer.cpuMs / goal.cpu }),
    },
  ];
}

async function pull(registry: Registry): Promise<Load[]> {
  const pushing = connect(registry);
  const paths: string[] = [];
  try {
    const config = await pushBlob(pushing, 200);
    const body = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: Array(5).fill(config) });
    await pushing.send('PUT', path, 201, {
      headers: { 'content-type': mediaType },
      body: Buffer.from(body),
    });
    for (const { bytes } of works) {
      const digest = bytes === undefined ? undefined : (await pushBlob(pushing, bytes)).digest;
      paths.push(digest === undefined ? path : `/v2/${repository}/blobs/${digest}`);
    }
  } finally {
    pushing.close();
  }

  const client = connect({ ...registry, headers: await registry.pullHeaders(repository) });
  const headers = { accept: mediaType };
  try {
    const loads: Load[] = [];
    for (const [index, { method = 'GET' }] of works.entries())
      loads.push(await load(registry, () => client.send(method, paths[index] as string, 200, { headers })));
    return loads;
  } finally {
    client.close();
  }
}

async function pushBlob(client: HttpClient, size: number) {
  const body = randomBytes(size);
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  const opened = await client.send('POST', `/v2/${repository}/blobs/uploads/`, 202, {
    body: new Uint8Array(),
  });
  await client.send('PUT', locationOf(opened, digest), 201, { body });
  return { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size };
}

async function load({ pid }: Registry, request: () => Promise<unknown>): Promise<Load> {
  await measureFor(seconds / 2, concurrency, request);
  const before = cpuMsOf(pid);
  const { eachMs, allMs } = await measureFor(seconds, concurrency, request);
  return {
    rate: (eachMs.length / allMs) * 1000,
    p50: percentile(eachMs, 0.5),
    p99: percentile(eachMs, 0.99),
    cpuMs: (cpuMsOf(pid) - before) / eachMs.length,
  };
}
