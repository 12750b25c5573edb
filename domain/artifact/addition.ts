/** What the management API shows beside an artifact, in the order in which it offers them, by the artifact's type. */
const additions = {
  IMAGE: ['build_history'],
  WASM: ['build_history'],
  CHART: ['values.yaml', 'readme.md', 'dependencies'],
  CNAI: ['readme.md', 'license', 'files'],
  SBOM: ['sbom'],
} as const;

export type Addition = (typeof additions)[keyof typeof additions][number];

/** The additions of an artifact that is no index. */
export const additionsOf = (type: string): readonly Addition[] =>
  Object.hasOwn(additions, type) ? additions[type as keyof typeof additions] : [];
