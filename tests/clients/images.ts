import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerTools } from './container-tools.ts';

const repositoryFolder = new URL('../..', import.meta.url).pathname;

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** An image in an OCI layout, as skopeo names it: `oci:<folder>:<tag>`. */
export interface LayoutImage {
  readonly name: string;
  readonly digest: string;
  readonly blobs: readonly Descriptor[];
}

/** An image of three gzip layers with files of this project and a program of the system. */
export async function buildImage(tools: ContainerTools, tag: string): Promise<LayoutImage> {
  const { layout, image } = await newImage(tools, tag);
  for (const [from, to] of [
    [join(repositoryFolder, 'domain'), '/srv/domain'],
    [join(repositoryFolder, 'package-lock.json'), '/srv/package-lock.json'],
    [await realpath('/bin/sh'), '/bin/sh'],
  ] as const) {
    await tools.run('umoci', 'insert', '--rootless', '--image', image, from, to);
  }
  await tools.run('umoci', 'config', '--image', image, '--config.cmd', '/bin/sh');
  return readImage(layout, tag);
}

/** An image of one layer with `bytes` bytes that do not compress. */
export async function buildLargeImage(
  tools: ContainerTools,
  tag: string,
  bytes: number,
): Promise<LayoutImage> {
  const file = join(tools.directory, 'large-file');
  const handle = await open(file, 'w');
  const chunk = Buffer.alloc(4 * 1024 * 1024);
  for (let written = 0; written < bytes; written += chunk.length) await handle.write(randomFillSync(chunk));
  await handle.close();
  const { layout, image } = await newImage(tools, tag);
  await tools.run('umoci', 'insert', '--rootless', '--image', image, file, '/large-file');
  return readImage(layout, tag);
}

/** The same image with zstd layers. */
export async function toZstd(
  tools: ContainerTools,
  { name }: LayoutImage,
  tag: string,
): Promise<LayoutImage> {
  const layout = join(tools.directory, `layout-${tag}`);
  await tools.run('skopeo', 'copy', '--dest-compress-format', 'zstd', name, `oci:${layout}:${tag}`);
  return readImage(layout, tag);
}

/** The image `tag` of an OCI layout, with every blob's bytes checked against its digest. */
export async function readImage(layout: string, tag: string): Promise<LayoutImage> {
  const { manifests } = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as {
    manifests: (Descriptor & { annotations?: Record<string, string> })[];
  };
  const found = manifests.find(
    ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tag,
  );
  if (found === undefined) throw new Error(`${layout} has no image ${tag}`);
  const { config, layers } = JSON.parse(await readFile(blobFile(layout, found.digest), 'utf8')) as {
    config: Descriptor;
    layers: Descriptor[];
  };
  const blobs = [config, ...layers];
  for (const { digest } of [found, ...blobs]) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(blobFile(layout, digest))) hash.update(chunk);
    const actual = `sha256:${hash.digest('hex')}`;
    if (actual !== digest) throw new Error(`${layout} holds ${actual} in the place of ${digest}`);
  }
  return { name: `oci:${layout}:${tag}`, digest: found.digest, blobs };
}

async function newImage(tools: ContainerTools, tag: string) {
  const layout = join(tools.directory, `layout-${tag}`);
  const image = `${layout}:${tag}`;
  await tools.run('umoci', 'init', '--layout', layout);
  await tools.run('umoci', 'new', '--image', image);
  return { layout, image };
}

const blobFile = (layout: string, digest: string): string => join(layout, 'blobs', ...digest.split(':'));
