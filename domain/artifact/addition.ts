import { mediaTypes } from './manifest.ts';

/** What the management API shows beside an artifact, in the order in which it offers them, by the artifact's type. */
const additions = {
  IMAGE: ['build_history'],
  WASM: ['build_history'],
  CHART: ['values.yaml', 'readme.md', 'dependencies'],
  CNAI: ['readme.md', 'license', 'files'],
  SBOM: ['sbom'],
} as const;

export type Addition = (typeof additions)[keyof typeof additions][number];

const indexes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerList];

/** The additions of an artifact. An index has none: each of its children has its own. */
export const additionsOf = ({
  type,
  manifestMediaType,
}: {
  readonly type: string;
  readonly manifestMediaType: string;
}): readonly Addition[] =>
  Object.hasOwn(additions, type) && !indexes.includes(manifestMediaType)
    ? additions[type as keyof typeof additions]
    : [];
