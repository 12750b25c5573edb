/*
 * Models of CNCF's model-spec: each layer has the path of its file, or folder, among its annotations.
 */

export interface Layer {
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** The second is from before CNCF took the specification in. */
const annotationNames = ['org.cncf.model.filepath', 'org.cnai.model.filepath'];
const documents = /^application\/vnd\.(?:cncf|cnai)\.model\.doc\.v1\./;

/** Where the file is in the model, undefined for a layer that does not say so. */
export function pathOf({ annotations = {} }: Layer): string | undefined {
  const name = annotationNames.find((known) => Object.hasOwn(annotations, known));
  return name === undefined ? undefined : annotations[name];
}

/** How a document is packed: `raw` for not at all. */
export const packingOf = ({ mediaType }: Layer): string => mediaType.replace(documents, '');

/** The layer of a document of one of these names, in lower case. */
export const documentIn = <Found extends Layer>(
  layers: readonly Found[],
  names: readonly string[],
): Found | undefined =>
  layers.find(
    (layer) => documents.test(layer.mediaType) && names.includes(pathOf(layer)?.toLowerCase() ?? ''),
  );

/** A file of a model, or a folder. */
export interface FileEntry {
  readonly name: string;
  readonly type: 'file' | 'directory';
  /** Bytes, of a file as it is packed. */
  readonly size?: number;
  readonly children?: readonly FileEntry[];
}

/** Deeper ones are left out: no model has them, and to show them would take a stack of any depth. */
const maxDepth = 32;

interface Folder {
  readonly folders: Map<string, Folder>;
  readonly files: Map<string, number>;
}
const newFolder = (): Folder => ({ folders: new Map(), files: new Map() });

/** The files of a model as a tree, folders first. */
export function filesOf(layers: readonly Layer[]): readonly FileEntry[] {
  const root = newFolder();
  for (const layer of layers) {
    const path = pathOf(layer) ?? '';
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.length === 0 || parts.length > maxDepth) continue;
    const file = path.endsWith('/') ? undefined : parts.pop();
    const folder = parts.reduce(inside, root);
    if (file !== undefined) folder.files.set(file, layer.size);
  }
  return entriesOf(root);
}

function inside({ folders }: Folder, name: string): Folder {
  const folder = folders.get(name) ?? newFolder();
  folders.set(name, folder);
  return folder;
}

const entriesOf = ({ folders, files }: Folder): FileEntry[] => [
  ...inOrder(folders).map(([name, folder]) => ({
    name,
    type: 'directory' as const,
    children: entriesOf(folder),
  })),
  ...inOrder(files).map(([name, size]) => ({ name, type: 'file' as const, size })),
];

const inOrder = <Value>(byName: ReadonlyMap<string, Value>): [string, Value][] =>
  [...byName].sort(([one], [other]) => (one < other ? -1 : 1));
