import type { Readable } from 'node:stream';
import { z } from 'zod';
import { type Addition, additionsOf } from '../../../domain/artifact/addition.ts';
import { type ParsedManifest, parseManifest } from '../../../domain/artifact/manifest.ts';
import { type Digest, digest as digestForm } from '../../../domain/digest.ts';
import type { ListedArtifact } from '../../../projections/repositories/artifacts.ts';
import { badRequest, notFound } from '../faults.ts';
import { artifactUnknown } from '../in-repository.ts';
import { archiveReader, maxFileBytes } from './archive.ts';
import { chartLayers, dependenciesIn, isInChart } from './chart.ts';
import { buildHistoryIn } from './image.ts';
import { documentIn, filesOf, packingOf, pathOf } from './model.ts';
import {
  blobIn,
  type ContentPorts,
  maxDocumentBytes,
  openStored,
  readStored,
  type StoredContent,
} from './stored-content.ts';

export interface ShownAddition {
  readonly type: string;
  readonly content: string | Buffer | Readable;
  /** Bytes, of what comes as a stream. */
  readonly size?: number;
}

export const additionTypes = {
  json: 'application/json; charset=utf-8',
  markdown: 'text/markdown; charset=utf-8',
  text: 'text/plain; charset=utf-8',
} as const;

export interface AdditionPorts extends ContentPorts {
  /** The manifest, if its bytes are sound. */
  findManifest(repository: string, digest: Digest): Promise<StoredContent | undefined>;
}

interface Asked {
  readonly repository: string;
  /** The bytes of the manifest. */
  readonly document: Uint8Array;
  readonly manifest: ParsedManifest;
}

/**
 * Reads an addition out of the artifact's own blobs.
 * @throws RequestRefused 400 where such an artifact has none of the name, or where it is too large; 404 where it is not
 * in this one, or what it would be read out of is gone.
 */
export function additionReader(ports: AdditionPorts) {
  const fileIn = archiveReader();

  return async (artifact: ListedArtifact, name: string): Promise<ShownAddition> => {
    const { repository, digest, type, manifestMediaType } = artifact;
    const addition = additionsOf(artifact).find((offered) => offered === name);
    if (addition === undefined) throw badRequest(`addition ${name} isn't supported for ${type}`);
    const stored = await ports.findManifest(repository, digest);
    if (stored === undefined) throw artifactUnknown(repository, digest);
    const document = await readStored(ports, stored, maxDocumentBytes);
    const asked = { repository, document, manifest: parseManifest(document, manifestMediaType) };
    return type === 'CNAI' ? ofModel(addition, asked) : ofOther(addition, asked);
  };

  async function ofOther(addition: Addition, asked: Asked): Promise<ShownAddition> {
    switch (addition) {
      case 'build_history':
        return asJson(buildHistoryIn(await configOf(asked)));
      case 'dependencies':
        return asJson(dependenciesIn(await configOf(asked)));
      case 'values.yaml':
        return { type: additionTypes.text, content: await fileOfChart(addition, asked) };
      case 'readme.md':
        return { type: additionTypes.markdown, content: await fileOfChart(addition, asked) };
      case 'sbom':
        return sbomOf(asked);
      default:
        throw notFound(`${addition} not found`);
    }
  }

  async function configOf({ repository, manifest }: Asked): Promise<Buffer> {
    if (manifest.config === undefined) throw notFound('the artifact has no config');
    return readStored(ports, await blobIn(ports, repository, manifest.config), maxDocumentBytes);
  }

  async function fileOfChart(file: string, { repository, manifest }: Asked): Promise<Buffer> {
    const layer = manifest.layers.find(({ mediaType }) => chartLayers.includes(mediaType));
    if (layer === undefined) throw notFound('the artifact holds no chart');
    const blob = await blobIn(ports, repository, layer);
    return fileIn({ open: () => openStored(ports, blob), isGzipped: true, isWanted: isInChart(file) });
  }

  /** Of any size, and sent as it is. */
  async function sbomOf({ repository, manifest }: Asked): Promise<ShownAddition> {
    const [layer, ...others] = manifest.layers;
    if (layer === undefined || others.length > 0) throw notFound('the SBOM not found');
    const blob = await blobIn(ports, repository, layer);
    return { type: additionTypes.json, content: await openStored(ports, blob), size: blob.size };
  }

  async function ofModel(addition: Addition, { repository, document }: Asked): Promise<ShownAddition> {
    const { layers } = withAnnotations.parse(JSON.parse(new TextDecoder().decode(document)));
    if (addition === 'files') return asJson(filesOf(layers));
    const isReadme = addition === 'readme.md';
    const layer = documentIn(layers, isReadme ? ['readme.md', 'readme'] : ['license', 'license.txt']);
    if (layer === undefined) throw notFound(`the model has no ${addition}`);
    const content = await unpacked(
      await blobIn(ports, repository, layer),
      packingOf(layer),
      pathOf(layer) ?? '',
    );
    return { type: isReadme ? additionTypes.markdown : additionTypes.text, content };
  }

  /** A document of a model, which is packed alone. */
  async function unpacked(blob: StoredContent, packing: string, path: string): Promise<Buffer> {
    switch (packing) {
      case 'raw':
        return readStored(ports, blob, maxFileBytes);
      case 'tar':
      case 'tar+gzip':
        return fileIn({
          open: () => openStored(ports, blob),
          isGzipped: packing === 'tar+gzip',
          isWanted: (found) => found === path || found.endsWith(`/${path}`),
        });
      default:
        throw badRequest(`what is packed as ${packing} is not shown`);
    }
  }
}

const asJson = (shown: unknown): ShownAddition => ({
  type: additionTypes.json,
  content: JSON.stringify(shown),
});

/** Of an image manifest, with what the event that tells of it leaves out. */
const withAnnotations = z.object({
  layers: z.array(
    z.object({
      mediaType: z.string(),
      digest: digestForm,
      size: z.number(),
      annotations: z.record(z.string(), z.string()).optional().catch(undefined),
    }),
  ),
});
