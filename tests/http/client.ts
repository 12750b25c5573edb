import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { Readable } from 'node:stream';
import type { TestServer } from '../server.ts';

export const digestOf = (bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;

export const mediaTypes = {
  image: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
} as const;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Sent {
  /** Several chunks, or an iterable, are sent chunked and without a length unless the headers have one. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  /** `''` for anonymous, `user:password` for another than the administrator. */
  readonly as?: string;
}

/** Where to, on a server that a test has started or on one that it has opened otherwise. */
export type Target = Pick<TestServer, 'url' | 'password'>;

/**
 * One request on a connection of its own, with the path exactly as written (`fetch` would clean it). Whatever is
 * asked for, an error has the form that clients read and says nothing of the inside, and is never a 500.
 */
export async function send(target: Target, method: string, path: string, sent: Sent = {}): Promise<Answer> {
  const { hostname, port } = new URL(target.url);
  const { as = `admin:${target.password}`, body } = sent;
  const whole = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  const headers: Record<string, string | number> = {
    ...(as !== '' && { authorization: `Basic ${Buffer.from(as).toString('base64')}` }),
    ...(whole &&
      (body !== undefined || method !== 'GET') && { 'content-length': Buffer.byteLength(body ?? '') }),
    ...sent.headers,
  };
  // Kept alive as real clients do, which makes the server say when it closes a connection.
  const agent = new Agent({ keepAlive: true });
  const answer = await new Promise<Answer>((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, headers, agent }, async (incoming) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of incoming) chunks.push(chunk);
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks),
        });
      } catch (error) {
        reject(error);
      }
    });
    outgoing.on('error', reject);
    if (whole) outgoing.end(body);
    // `pipe` and not `pipeline`: an answer may come before the whole body is sent.
    else
      Readable.from(body)
        .on('error', (error) => outgoing.destroy(error))
        .pipe(outgoing);
  }).finally(() => agent.destroy());
  const isRegistry = /^\/v2(?:[/?]|$)/.test(path);
  if (isRegistry) assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  if (answer.status >= 400) assertHarmless(method, answer, isRegistry);
  return answer;
}

/** The specification's, distribution's, and our own; see `docs/decisions/0070-…`. */
const registryCodes: ReadonlySet<string> = new Set(
  (
    'BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID ' +
    'MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS ' +
    'TAG_INVALID RANGE_INVALID PAGINATION_NUMBER_INVALID UNAVAILABLE UNKNOWN BAD_REQUEST PRECONDITION'
  ).split(' '),
);

function assertHarmless(method: string, { status, headers, body }: Answer, isRegistry: boolean): void {
  const text = body.toString();
  assert.notEqual(status, 500, text);
  if (method === 'HEAD') return;
  assert.match(headers['content-type'] ?? '', /^application\/json/);
  assert.doesNotMatch(text, /node_modules|node:|\.ts\b|\n\s+at /, 'an answer shows no stack');
  const { errors } = JSON.parse(text);
  assert.ok(errors.length > 0, 'an error says what is wrong');
  for (const { code, message } of errors) {
    assert.match(code, /^[A-Z_]+$/);
    if (isRegistry) assert.ok(registryCodes.has(code), `${code} is a code that clients of registries know`);
    assert.equal(typeof message, 'string');
  }
}

/** The codes of the errors in an answer; undefined where it has no body. */
export const codesOf = ({ body }: Answer): string[] | undefined =>
  body.length === 0
    ? undefined
    : JSON.parse(body.toString()).errors.map(({ code }: { code: string }) => code);

/** Status and first code of an answer, as most tests compare them. */
export const refusalOf = (answer: Answer) => [answer.status, codesOf(answer)?.[0]];

/** The headers that are the same whenever the same is asked. */
export function lastingHeaders({ headers }: Answer): IncomingHttpHeaders {
  const { date: _time, 'x-request-id': _id, ...lasting } = headers;
  return lasting;
}

export const header = (answer: Answer, name: string): string => {
  const value = answer.headers[name];
  assert.equal(typeof value, 'string', `the answer has a header ${name}`);
  return value as string;
};

/** Opens an upload and returns the path to go on with. */
export async function startUpload(target: Target, repository: string): Promise<string> {
  const answer = await send(target, 'POST', `/v2/${repository}/blobs/uploads/`);
  assert.equal(answer.status, 202);
  return header(answer, 'location');
}

/** Pushes a blob in one request and returns its descriptor. */
export async function pushBlob(target: Target, repository: string, bytes: Uint8Array | string) {
  const digest = digestOf(bytes);
  const answer = await send(target, 'POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
    body: bytes,
  });
  assert.equal(answer.status, 201, answer.body.toString());
  return { mediaType: 'application/octet-stream', digest, size: Buffer.byteLength(bytes) };
}

export const putManifest = (
  target: Target,
  repository: string,
  reference: string,
  manifest: Uint8Array | string,
  contentType: string = mediaTypes.image,
) =>
  send(target, 'PUT', `/v2/${repository}/manifests/${reference}`, {
    headers: { 'content-type': contentType },
    body: manifest,
  });

/** Pushes an image of one blob; a different `mark` makes a different manifest. */
export async function pushImage(target: Target, repository: string, reference: string, mark = '1') {
  const blob = await pushBlob(target, repository, '{}');
  const manifest = imageOf(blob, [blob], { annotations: { mark } });
  const answer = await putManifest(target, repository, reference, manifest);
  assert.equal(answer.status, 201, answer.body.toString());
  return { manifest, digest: digestOf(manifest), blob };
}

export const imageOf = (config: object, layers: readonly object[], more: object = {}): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.image, config, layers, ...more });
