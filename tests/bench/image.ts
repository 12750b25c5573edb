import { createHash, randomBytes } from 'node:crypto';
import { type Bench, type Figure, measure, milliseconds, percentile } from './bench.ts';
import { connect, type HttpClient, locationOf } from './http-client.ts';
import { cpuMsOf } from './processes.ts';
import { besides, each, onEach, type Registry, type Shown } from './registries.ts';

const images = 50;
const layers = 10;
const layerBytes = 20_000;
/** As skopeo and podman do by default. */
const blobsAtOnce = 6;
const mediaType = 'application/vnd.oci.image.manifest.v1+json';

/** Push and pull of small images, with the requests that skopeo makes. */
export const image: Bench = {
  name: 'image',
  async run() {
    const shown = await onEach(pushAndPull);
    return (['push', 'pull'] as const).flatMap((way) =>
      figuresOf(
        way,
        each(shown, (of) => of[way]),
      ),
    );
  },
};

interface Load {
  readonly p50: number;
  /** Of the server, per image. */
  readonly cpuMs: number;
}

async function pushAndPull(registry: Registry): Promise<{ readonly push: Load; readonly pull: Load }> {
  const client = connect(registry);
  try {
    await push(client, 'warm-up', newImage());
    const pushed = Array.from({ length: images }, newImage);
    const of = (index: number): Image => pushed[index] ?? newImage();
    return {
      push: await measured(registry, (index) => push(client, `1.${index}`, of(index))),
      pull: await measured(registry, (index) => pull(client, `1.${index}`, of(index))),
    };
  } finally {
    client.close();
  }
}

async function measured({ pid }: Registry, work: (index: number) => Promise<void>): Promise<Load> {
  const before = cpuMsOf(pid);
  const { eachMs } = await measure(1, images, work);
  return { p50: percentile(eachMs, 0.5), cpuMs: (cpuMsOf(pid) - before) / images };
}

interface Blob {
  readonly bytes: Uint8Array;
  readonly digest: string;
}

interface Image {
  readonly blobs: readonly Blob[];
  readonly manifest: Uint8Array;
}

function newImage(): Image {
  const blobs = Array.from({ length: layers + 1 }, () => blobOf(randomBytes(layerBytes)));
  const [config, ...rest] = blobs.map(({ digest }, index) => ({
    mediaType: `application/vnd.oci.image.${index === 0 ? 'config.v1+json' : 'layer.v1.tar+gzip'}`,
    digest,
    size: layerBytes,
  }));
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: rest });
  return { blobs, manifest: Buffer.from(manifest) };
}

const blobOf = (bytes: Uint8Array): Blob => ({
  bytes,
  digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
});

const base = '/v2/library/image';

async function push(client: HttpClient, tag: string, { blobs, manifest }: Image): Promise<void> {
  await client.send('GET', '/v2/', 200);
  await measure(blobsAtOnce, blobs.length, async (index) => {
    const { bytes, digest } = blobs[index] as Blob;
    await client.send('HEAD', `${base}/blobs/${digest}`, 404);
    const opened = await client.send('POST', `${base}/blobs/uploads/`, 202, { body: new Uint8Array() });
    const headers = { 'content-type': 'application/octet-stream' };
    const sent = await client.send('PATCH', locationOf(opened), 202, { headers, body: [bytes] });
    await client.send('PUT', locationOf(sent, digest), 201, { headers, body: new Uint8Array() });
  });
  const headers = { 'content-type': mediaType };
  await client.send('PUT', `${base}/manifests/${tag}`, 201, { headers, body: manifest });
}

async function pull(client: HttpClient, tag: string, { blobs }: Image): Promise<void> {
  await client.send('GET', '/v2/', 200);
  await client.send('GET', `${base}/manifests/${tag}`, 200, { headers: { accept: mediaType } });
  await measure(blobsAtOnce, blobs.length, (index) =>
    client.send('GET', `${base}/blobs/${(blobs[index] as Blob).digest}`, 200),
  );
}

function figuresOf(way: 'push' | 'pull', shown: Shown<Load>): Figure[] {
  const { ours, peer } = shown;
  return [
    {
      work: `${way} of a ${layers}-layer image: p50`,
      ...besides(
        shown,
        ({ p50 }) => milliseconds(p50),
        ({ p50 }) => p50,
      ),
      ...(peer && way === 'push' && { goal: '≤ 1 × the peer', met: ours.p50 <= peer.p50 }),
    },
    {
      work: `${way} of a ${layers}-layer image: CPU of the server`,
      ...besides(
        shown,
        ({ cpuMs }) => milliseconds(cpuMs),
        ({ cpuMs }) => cpuMs,
      ),
    },
  ];
}
