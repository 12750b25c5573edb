import { readFile } from 'node:fs/promises';
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { Fault } from './faults.ts';
import { noSettings, type SectionSetting, type Setting } from './settings.ts';

const maxBytes = 1024 * 1024;
/** Enough for every key there is, some hundred times; a file that unfolds to more is a trap of aliases. */
const maxNodes = 20_000;

/** What the YAML file at `path` says. Keys without a value, and empty values, are as if they were not there. */
export async function readSettings(path: string): Promise<{ settings: SectionSetting; faults: Fault[] }> {
  const fault = (found: string, expected: string, line?: number): Fault => ({
    key: '',
    from: line === undefined ? path : `${path}, line ${line}`,
    found,
    expected,
  });

  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'no such file' : `a file that cannot be read (${code})`;
    return { settings: noSettings, faults: [fault(found, 'a configuration file')] };
  }
  if (bytes.length > maxBytes)
    return { settings: noSettings, faults: [fault(`${bytes.length} bytes`, `at most ${maxBytes} bytes`)] };

  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { settings: noSettings, faults: [fault('bytes that are not UTF-8', 'YAML in UTF-8')] };
  }

  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  // A warning is a tag that YAML does not know, such as a vault's: its value would be taken for the secret.
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0)
    return {
      settings: noSettings,
      faults: problems.map(({ message, pos: [offset] }) =>
        fault(`a YAML error: ${message}`, 'valid YAML', lines.linePos(offset).line),
      ),
    };

  const faults: Fault[] = [];
  let nodes = 0;
  const unfolding = new Set<string>();

  function read(node: Node | null, line: number): Setting | undefined {
    if (++nodes > maxNodes) return undefined;
    const from = { file: path, line };
    if (isAlias(node)) {
      if (unfolding.has(node.source))
        faults.push(fault(`*${node.source} within itself`, 'an alias that ends', line));
      if (unfolding.has(node.source)) return undefined;
      unfolding.add(node.source);
      const setting = read(node.resolve(document) ?? null, line);
      unfolding.delete(node.source);
      return setting;
    }
    if (isMap<Node, Node | null>(node)) {
      const keys = new Map<string, Setting>();
      for (const { key, value } of node.items) {
        const keyLine = lines.linePos(key.range?.[0] ?? 0).line;
        const name = isScalar(key) ? (key.source ?? String(key.value)) : undefined;
        if (name === undefined) faults.push(fault('a key that is not text', 'a key', keyLine));
        const setting = read(value, keyLine);
        if (name !== undefined && setting !== undefined) keys.set(name, setting);
      }
      return keys.size === 0 ? undefined : { kind: 'section', from, keys };
    }
    if (isSeq<Node | null>(node)) {
      const entries = node.items.map((item) =>
        read(item, item?.range ? lines.linePos(item.range[0]).line : line),
      );
      return { kind: 'list', from, entries: entries.filter((entry) => entry !== undefined) };
    }
    if (!isScalar(node) || node.value === null) return undefined;
    // Its text and not its value: a password may be 0123 and a version 2.10.
    const written = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
    return written === '' ? undefined : { kind: 'text', from, text: written };
  }

  const root = read(document.contents, 1);
  if (nodes > maxNodes) faults.push(fault(`more than ${maxNodes} values`, 'a smaller file'));
  if (root !== undefined && root.kind !== 'section')
    faults.push(fault(`a ${root.kind}`, 'keys and their values', 1));
  return { settings: root?.kind === 'section' ? root : noSettings, faults };
}
