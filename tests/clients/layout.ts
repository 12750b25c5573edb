import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestOf, mediaTypes } from '../http/client.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface Image {
  readonly digest: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** An OCI layout with one entry, named by the tag `layout`. */
export interface Layout {
  readonly folder: string;
  /** Of its one entry. */
  readonly digest: string;
}

/** An image whose layers are tar files with one file each; the same `files` make the same digests. */
export async function writeImage(
  folder: string,
  files: Readonly<Record<string, string>>,
  architecture = 'amd64',
): Promise<Layout & Image> {
  const image = await addImage(folder, architecture, files);
  await writeEntry(folder, image.descriptor);
  return { folder, digest: image.descriptor.digest, config: image.config, layers: image.layers };
}

/** An index of an image for each architecture; they share all layers but the last. */
export async function writeIndex(
  folder: string,
  files: Readonly<Record<string, string>>,
  architectures: readonly string[] = ['amd64', 'arm64'],
): Promise<Layout & { readonly images: readonly Image[] }> {
  const images = [];
  const manifests = [];
  for (const architecture of architectures) {
    const own = { ...files, 'etc/architecture': architecture };
    const { descriptor, config, layers } = await addImage(folder, architecture, own);
    images.push({ digest: descriptor.digest, config, layers });
    manifests.push({ ...descriptor, platform: { architecture, os: 'linux' } });
  }
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
  const descriptor = await addBlob(folder, mediaTypes.index, index);
  await writeEntry(folder, descriptor);
  return { folder, digest: descriptor.digest, images };
}

/** The bytes that a layout holds under `digest`. */
export const readBlob = (folder: string, digest: string): Promise<Buffer> =>
  readFile(blobFile(folder, digest));

/** The digests of all that the layout's entries lead to, with all bytes checked against them. */
export async function readLayout(folder: string): Promise<string[]> {
  const { manifests } = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as {
    manifests: Descriptor[];
  };
  const found = new Set<string>();
  const open = [...manifests];
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const bytes = await readBlob(folder, next.digest);
    const actual = digestOf(bytes);
    if (actual !== next.digest) throw new Error(`${folder} holds ${actual} in the place of ${next.digest}`);
    found.add(next.digest);
    if (next.mediaType === mediaTypes.index)
      open.push(...(JSON.parse(bytes.toString()) as { manifests: Descriptor[] }).manifests);
    if (next.mediaType === mediaTypes.image) {
      const { config, layers } = JSON.parse(bytes.toString()) as Image;
      open.push(config, ...layers);
    }
  }
  return [...found].toSorted();
}

/** A tar archive with one file. */
export function tarOf(name: string, contents: string | Buffer): Buffer {
  const bytes = Buffer.from(contents);
  const header = Buffer.alloc(512);
  const number = (value: number, offset: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, '0'), offset);
  header.write(name, 0);
  number(0o644, 100, 7);
  number(0, 108, 7);
  number(0, 116, 7);
  number(bytes.length, 124, 11);
  number(0, 136, 11);
  header.write('0', 156);
  header.write('ustar', 257);
  header.write('00', 263);
  // The sum counts its own field as blanks.
  header.fill(' ', 148, 156);
  number(
    header.reduce((total, byte) => total + byte, 0),
    148,
    6,
  );
  header[154] = 0;
  return Buffer.concat([header, bytes, Buffer.alloc(1024 + ((512 - (bytes.length % 512)) % 512))]);
}

async function addImage(
  folder: string,
  architecture: string,
  files: Readonly<Record<string, string>>,
): Promise<{ descriptor: Descriptor } & Omit<Image, 'digest'>> {
  const layers = [];
  const diffIds = [];
  for (const [name, contents] of Object.entries(files)) {
    const tar = tarOf(name, contents);
    diffIds.push(digestOf(tar));
    layers.push(await addBlob(folder, 'application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar)));
  }
  const config = await addBlob(
    folder,
    'application/vnd.oci.image.config.v1+json',
    JSON.stringify({ architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.image, config, layers });
  return { descriptor: await addBlob(folder, mediaTypes.image, manifest), config, layers };
}

async function addBlob(folder: string, mediaType: string, bytes: string | Buffer): Promise<Descriptor> {
  const digest = digestOf(bytes);
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  await writeFile(blobFile(folder, digest), bytes);
  return { mediaType, digest, size: Buffer.byteLength(bytes) };
}

async function writeEntry(folder: string, descriptor: Descriptor): Promise<void> {
  const annotations = { 'org.opencontainers.image.ref.name': 'layout' };
  const index = {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [{ ...descriptor, annotations }],
  };
  await writeFile(join(folder, 'index.json'), JSON.stringify(index));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

const blobFile = (folder: string, digest: string): string => join(folder, 'blobs', ...digest.split(':'));
