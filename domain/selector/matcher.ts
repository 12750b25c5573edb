import { type Part, parsePattern, type Single } from './pattern.ts';

/** Whether a whole name is as the pattern says. */
export type Matcher = (name: string) => boolean;

/**
 * All ways through the pattern are followed at once, so that the work is bounded by its length times that of the name,
 * whatever the two are. @throws PatternInvalid
 */
export function matcher(pattern: string): Matcher {
  const { nodes, start } = graphOf(parsePattern(pattern));
  return (name) => isMatch(nodes, start, [...name]);
}

type Node =
  | { readonly kind: 'end' }
  | { readonly kind: 'split'; readonly next: readonly number[] }
  | (Single & { readonly next: number });

/** Without recursion, since a pattern may nest as deep as it is long. */
function graphOf(pattern: readonly Part[]): { readonly nodes: readonly Node[]; readonly start: number } {
  const nodes: Node[] = [{ kind: 'end' }];
  const add = (node: Node): number => nodes.push(node) - 1;
  const starts: number[] = [];
  const todo = [{ starts, parts: pattern, next: 0 }];
  for (let work = todo.pop(); work !== undefined; work = todo.pop()) {
    let next = work.next;
    for (const part of work.parts.toReversed()) {
      if (part.kind !== 'alternatives') {
        next = add({ ...part, next });
        continue;
      }
      const split: number[] = [];
      for (const parts of part.of) todo.push({ starts: split, parts, next });
      next = add({ kind: 'split', next: split });
    }
    work.starts.push(next);
  }
  return { nodes, start: starts[0] as number };
}

/*
 * How a node was come to. A `**` may be whole components: then what follows is a slash that they have brought along, or
 * the end. And where a name ends, the last `/**` of a pattern may be nothing at all, even with a slash behind it.
 */
const plain = 0;
const inComponents = 1;
const behindComponents = 2;
const lastSlash = 3;
const lastComponents = 4;
const closed = 5;
const ways = 6;

function isMatch(nodes: readonly Node[], start: number, name: readonly string[]): boolean {
  const seenAt = new Int32Array(nodes.length * ways).fill(-1);
  let position = 0;
  let waiting: number[] = [];
  let isAccepted = false;

  /** Goes to a node, and on to all that is there without a further character. */
  function reach(first: number): void {
    const isAtEnd = position === name.length;
    const startsComponent = position === 0 || name[position - 1] === '/';
    const todo = [first];
    for (let state = todo.pop(); state !== undefined; state = todo.pop()) {
      if (seenAt[state] === position) continue;
      seenAt[state] = position;
      const way = state % ways;
      const node = nodes[(state - way) / ways] as Node;
      if (node.kind === 'end') {
        isAccepted ||= isAtEnd && way !== lastSlash;
        continue;
      }
      if (node.kind === 'split') {
        for (const next of node.next) todo.push(next * ways + way);
        continue;
      }
      const isSlash = node.kind === 'character' && node.character === '/';
      const onwards = (to: number) => todo.push(node.next * ways + to);
      if (way === plain) {
        waiting.push(state);
        if (node.kind === 'star' || node.kind === 'double-star') onwards(plain);
        if (node.kind === 'double-star' && startsComponent) todo.push(state + inComponents);
        if (isSlash && isAtEnd) onwards(lastSlash);
      } else if (way === inComponents) {
        waiting.push(state);
        onwards(behindComponents);
      } else if (way === behindComponents) {
        if (isSlash && startsComponent) onwards(plain);
      } else if (way === lastSlash) {
        if (node.kind === 'double-star') onwards(lastComponents);
      } else if (way === lastComponents && isSlash) onwards(closed);
    }
  }

  reach(start * ways + plain);
  for (const character of name) {
    const before = waiting;
    waiting = [];
    isAccepted = false;
    position += 1;
    for (const state of before) {
      const way = state % ways;
      const node = nodes[(state - way) / ways] as Single & { readonly next: number };
      if (way === inComponents) reach(state);
      else if (takes(node, character))
        reach(node.kind === 'star' || node.kind === 'double-star' ? state : node.next * ways + plain);
    }
    if (waiting.length === 0 && !isAccepted) return false;
  }
  return isAccepted;
}

/** Whether a part takes a character in; only a slash takes a slash. */
function takes(part: Single, character: string): boolean {
  if (part.kind === 'character') return part.character === character;
  if (character === '/') return false;
  if (part.kind !== 'class') return true;
  const code = character.codePointAt(0) as number;
  return part.ranges.some(([from, to]) => from <= code && code <= to) !== part.isNegated;
}
