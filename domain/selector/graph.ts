import type { Part, Single } from './pattern.ts';

export type Node =
  | { readonly kind: 'end'; readonly next?: never }
  | Split
  | (Single & { readonly next: number });

export interface Split {
  readonly kind: 'split';
  readonly next: readonly number[];
}

/** A part whose parts are gone through, from the last to the first; `next` is where they lead. */
interface Work {
  readonly parts: readonly Part[];
  left: number;
  next: number;
  /** Where the alternatives of the part at hand begin, while they are gone through. */
  begins: Set<number> | undefined;
  /** Is told where it begins. */
  readonly beginsOf: Set<number>;
}

/**
 * The ways through a pattern. What goes on alike is one node, so that alternatives that are the same, or end the same,
 * are followed once. Without recursion, since a pattern may nest as deep as it is long.
 */
export function graphOf(pattern: readonly Part[]): {
  readonly nodes: readonly Node[];
  readonly start: number;
} {
  const nodes: Node[] = [{ kind: 'end' }];
  const known = new Map<string, number>();
  const starts = new Set<number>();
  const begin = (parts: readonly Part[], next: number, beginsOf: Set<number>): Work => ({
    ...{ parts, next, beginsOf },
    left: parts.length,
    begins: undefined,
  });
  const todo = [begin(pattern, 0, starts)];
  for (let work = todo.at(-1); work !== undefined; work = todo.at(-1)) {
    const part = work.parts[work.left - 1];
    if (part === undefined) {
      work.beginsOf.add(work.next);
      todo.pop();
    } else if (part.kind !== 'alternatives') {
      work.next = single(part, work.next);
      work.left -= 1;
    } else if (work.begins === undefined) {
      work.begins = new Set();
      for (const parts of part.of) todo.push(begin(parts, work.next, work.begins));
    } else {
      work.next = split([...work.begins]);
      work.begins = undefined;
      work.left -= 1;
    }
  }
  return { nodes, start: [...starts][0] as number };

  function single(part: Single, next: number): number {
    const after = nodes[next];
    // A star behind a star takes nothing that the first one does not.
    if (part.kind === 'star' && after?.kind === 'star') return next;
    return add(JSON.stringify([part, next]), { ...part, next });
  }

  function split(next: readonly number[]): number {
    const [only] = next;
    if (only !== undefined && next.length === 1) return only;
    return add(next.toSorted((one, other) => one - other).join(), { kind: 'split', next });
  }

  function add(key: string, node: Node): number {
    const same = known.get(key);
    if (same !== undefined) return same;
    const added = nodes.push(node) - 1;
    known.set(key, added);
    return added;
  }
}
