import assert from 'node:assert/strict';
import { api, json } from './api-client.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, putManifest, send, type Target } from './client.ts';

const imageConfig = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

export const artifactsOf = (project: string, repository: string): string =>
  `/projects/${project}/repositories/${repository.replaceAll('/', '%252F')}/artifacts`;

/** A manifest that is pushed, with what tests ask of it. */
export interface Pushed {
  readonly digest: string;
  /** Of the manifest, in bytes. */
  readonly size: number;
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
}

export async function push(
  target: Target,
  repository: string,
  reference: string | undefined,
  manifest: string,
  mediaType: string = mediaTypes.image,
): Promise<Pushed> {
  const digest = digestOf(manifest);
  const answer = await putManifest(target, repository, reference ?? digest, manifest, mediaType);
  assert.equal(answer.status, 201, answer.body.toString());
  const size = Buffer.byteLength(manifest);
  return { digest, size, descriptor: { mediaType, digest, size } };
}

/** Pushes an image with a config of its own, by a tag or without. */
export async function pushWithConfig(
  target: Target,
  repository: string,
  reference: string | undefined,
  config: object | string,
  { mediaType = imageConfig, ...more }: { readonly mediaType?: string; readonly [key: string]: unknown } = {},
): Promise<Pushed & { readonly total: number }> {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  const blob = { ...(await pushBlob(target, repository, text)), mediaType };
  const layer = { ...(await pushBlob(target, repository, 'the bytes of a layer')), mediaType: layerType };
  const pushed = await push(target, repository, reference, imageOf(blob, [layer], more));
  return { ...pushed, total: pushed.size + blob.size + layer.size };
}

export const indexOf = (children: readonly object[], more: object = {}): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: children, ...more });

/** The artifacts of a list, and the X-Total-Count. */
export async function listed(target: Target, path: string) {
  const answer = await send(target, 'GET', `${api}${path}`);
  assert.equal(answer.status, 200, answer.body.toString());
  return { items: json(answer), total: Number(answer.headers['x-total-count']), link: answer.headers.link };
}
