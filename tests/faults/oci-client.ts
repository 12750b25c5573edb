import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestServer } from '../server.ts';

/** A request without an answer, or with one that says that the server cannot do it now: the client tries again. */
export class NotAcknowledged extends Error {
  override readonly name = 'NotAcknowledged';
  readonly status: number | undefined;
  constructor(message: string, status?: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export interface Image {
  readonly manifest: string;
  /** Of the manifest. */
  readonly digest: string;
  readonly blobs: readonly Buffer[];
}

export const imageType = 'application/vnd.oci.image.manifest.v1+json';

export const digestOf = (bytes: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Numbers from 0 up to 1 that follow from the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An image of its own: a config and `layers` layers of up to 20 kB, the first of which all images share. */
export function makeImage(random: () => number, layers = 3): Image {
  const bytes = (size: number) => Buffer.from(Array.from({ length: size }, () => random() * 256));
  const shared = Buffer.from('the layer that every image begins with');
  const others = Array.from({ length: layers - 1 }, () => bytes(1 + Math.floor(random() * 20_000)));
  const layerBytes = [shared, ...others];
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: layerBytes.map(digestOf) },
    }),
  );
  const descriptor = (mediaType: string) => (blob: Buffer) => ({
    mediaType,
    digest: digestOf(blob),
    size: blob.length,
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    config: descriptor('application/vnd.oci.image.config.v1+json')(config),
    layers: layerBytes.map(descriptor('application/vnd.oci.image.layer.v1.tar+gzip')),
  });
  return { manifest, digest: digestOf(manifest), blobs: [config, ...layerBytes] };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** A request with its whole answer. @throws NotAcknowledged where there is none, or only a part, or a 503 or 507. */
export async function ask(server: TestServer, path: string, init: RequestInit = {}): Promise<Answer> {
  let answer: Answer;
  try {
    const response = await server.fetch(path, { signal: AbortSignal.timeout(60_000), ...init });
    const body = Buffer.from(await response.arrayBuffer());
    answer = { status: response.status, headers: response.headers, body };
  } catch (error) {
    throw new NotAcknowledged(`no answer to ${init.method ?? 'GET'} ${path}`, undefined, { cause: error });
  }
  if (answer.status === 503 || answer.status === 507) {
    throw new NotAcknowledged(`${answer.status}: ${answer.body}`, answer.status);
  }
  return answer;
}

/** As `ask`; any other answer than `status` fails the test. */
async function expect(
  status: number,
  server: TestServer,
  path: string,
  init: RequestInit = {},
): Promise<Answer> {
  const answer = await ask(server, path, init);
  assert.equal(answer.status, status, `${init.method ?? 'GET'} ${path}: ${answer.status} ${answer.body}`);
  return answer;
}

/** Uploads a blob in one, two or three requests, as clients do. @throws NotAcknowledged */
export async function pushBlob(
  server: TestServer,
  repository: string,
  blob: Buffer,
  requests: 1 | 2 | 3 = 2,
): Promise<void> {
  const uploads = `/v2/${repository}/blobs/uploads/`;
  const digest = digestOf(blob);
  if (requests === 1) {
    await expect(201, server, `${uploads}?digest=${digest}`, { method: 'POST', body: new Uint8Array(blob) });
    return;
  }
  const started = await expect(202, server, uploads, { method: 'POST' });
  const location = started.headers.get('location') ?? '';
  const body = new Uint8Array(blob);
  if (requests === 3) await expect(202, server, location, { method: 'PATCH', body });
  const rest = requests === 3 ? {} : { body };
  await expect(201, server, `${location}?digest=${digest}`, { method: 'PUT', ...rest });
}

/** Uploads what of the image is not there, and points the tag at it. @throws NotAcknowledged */
export async function pushImage(
  server: TestServer,
  repository: string,
  tag: string,
  { manifest, blobs }: Image,
  requestsPerBlob: () => 1 | 2 | 3 = () => 2,
): Promise<void> {
  for (const blob of blobs) {
    const known = await ask(server, `/v2/${repository}/blobs/${digestOf(blob)}`, { method: 'HEAD' });
    if (known.status !== 200) await pushBlob(server, repository, blob, requestsPerBlob());
  }
  await expect(201, server, `/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': imageType },
    body: manifest,
  });
}

/** Pulls the image with all of its blobs, each of which must have its digest. Resolves to the manifest's. */
export async function pullImage(server: TestServer, repository: string, reference: string): Promise<string> {
  const manifest = await expect(200, server, `/v2/${repository}/manifests/${reference}`);
  const { config, layers } = JSON.parse(manifest.body.toString()) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  for (const { digest } of [config, ...layers]) {
    const blob = await expect(200, server, `/v2/${repository}/blobs/${digest}`);
    assert.equal(digestOf(blob.body), digest, `the bytes of ${digest} in ${repository}`);
  }
  return digestOf(manifest.body);
}

/** The tags of a repository; none where it is unknown. */
export async function tagsOf(server: TestServer, repository: string): Promise<string[]> {
  const answer = await ask(server, `/v2/${repository}/tags/list`);
  if (answer.status === 404) return [];
  return (JSON.parse(answer.body.toString()) as { tags: string[] }).tags;
}

/** Repeats `work` while it is not acknowledged, for up to `withinMs`. */
export async function insist<Result>(work: () => Promise<Result>, withinMs = 90_000): Promise<Result> {
  const until = performance.now() + withinMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof NotAcknowledged) || performance.now() > until) throw error;
      await pause(25);
    }
  }
}
