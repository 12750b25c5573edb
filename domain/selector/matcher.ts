import { graphOf, type Node, type Split } from './graph.ts';
import { type CharacterClass, parsePattern } from './pattern.ts';

/** Whether a whole name is as the pattern says. */
export type Matcher = (name: string) => boolean;

/** What a matcher has cost so far. */
export interface Cost {
  /** How often a place in the pattern was looked at. */
  readonly steps: number;
  /** Numbers that it keeps now. */
  readonly kept: number;
}

/**
 * Where one can be in the pattern after a part of a name: what a further character is compared with, and whether a name
 * may end there. What comes after each character is kept once it was found.
 */
interface State {
  readonly places: Int32Array;
  readonly accepts: boolean;
  readonly next: Map<number, State>;
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
/** A place is the number of a node, and in its last bits the way. */
const wayBits = 3;
const wayMask = 0b111;

const kindsInOrder: readonly Node['kind'][] = [
  'end',
  'split',
  'star',
  'double-star',
  'class',
  'any',
  'character',
];
const [end, split, star, doubleStar, oneOf] = kindsInOrder.keys();

const slash = '/'.charCodeAt(0);
/** Numbers that are kept, at most: so many, and so many more for each node. All are dropped when there are more. */
const keptAlways = 512;
const keptPerNode = 32;
/** What a state takes beside its places, and what a way from one to another takes, about, as numbers. */
const stateSize = 8;
const waySize = 4;

/**
 * All ways through the pattern are followed at once, so that the work is bounded by its length times that of the name,
 * whatever the two are; and where names go the same ways, they go from state to state that was found before.
 * @param spent is told what each name has cost
 * @throws PatternInvalid
 */
export function matcher(pattern: string, spent?: (cost: Cost) => void): Matcher {
  const { nodes, start } = graphOf(parsePattern(pattern));
  const maxKept = keptAlways + keptPerNode * nodes.length;
  const kinds = Uint8Array.from(nodes, kindOf);
  const codes = Int32Array.from(nodes, (node) =>
    node.kind === 'character' ? (node.character.codePointAt(0) as number) : -1,
  );
  const nexts = Int32Array.from(nodes, (node) => (typeof node.next === 'number' ? node.next : 0));
  /** The number of the last search that has come by. */
  const seenIn = new Int32Array(nodes.length << wayBits);
  const todo = new Int32Array(nodes.length << wayBits);
  const found = new Int32Array(nodes.length << wayBits);
  let waiting = 0;
  let searches = 0;
  let steps = 0;
  let kept = 0;
  let states = new Map<number, State[]>();
  let first: State | undefined;

  return (name) => {
    let state = first ?? begin();
    for (let at = 0; at < name.length && (state.places.length > 0 || state.accepts); at += 1) {
      const code = name.codePointAt(at) as number;
      if (code > 0xffff) at += 1;
      state = state.next.get(code) ?? after(state, code);
    }
    spent?.({ steps, kept });
    return state.accepts;
  };

  function begin(): State {
    searches += 1;
    reach(start << wayBits);
    first = stateHere(true);
    return first;
  }

  function after(state: State, code: number): State {
    searches += 1;
    for (const place of state.places) {
      const node = place >> wayBits;
      if ((place & wayMask) === inComponents) reach(place);
      else if (isTaken(node, code)) {
        const stays = kinds[node] === star || kinds[node] === doubleStar;
        reach(stays ? place : (nexts[node] as number) << wayBits);
      }
    }
    steps += state.places.length;
    const next = stateHere(code === slash);
    state.next.set(code, next);
    kept += waySize;
    return next;
  }

  /** Only a slash takes a slash. */
  function isTaken(node: number, code: number): boolean {
    if (codes[node] !== -1) return codes[node] === code;
    if (code === slash) return false;
    return kinds[node] !== oneOf || isIn(nodes[node] as CharacterClass, code);
  }

  function reach(place: number): void {
    if (seenIn[place] === searches) return;
    seenIn[place] = searches;
    todo[waiting] = place;
    waiting += 1;
  }

  /** That of all that is come to without a further character from where one is now. */
  function stateHere(startsComponent: boolean): State {
    let count = 0;
    let hash = 0;
    let accepts = false;
    while (waiting > 0) {
      waiting -= 1;
      steps += 1;
      const place = todo[waiting] as number;
      const node = place >> wayBits;
      const way = place & wayMask;
      const kind = kinds[node];
      const onwards = (nexts[node] as number) << wayBits;
      if (kind === end) accepts ||= way !== lastSlash;
      else if (kind === split) for (const next of (nodes[node] as Split).next) reach((next << wayBits) | way);
      else if (way === plain || way === inComponents) {
        found[count] = place;
        count += 1;
        hash = (hash + Math.imul(place + 1, 0x9e3779b1)) | 0;
        if (way === inComponents) reach(onwards | behindComponents);
        else if (kind === star) reach(onwards);
        else if (kind === doubleStar) {
          reach(onwards);
          if (startsComponent) reach(place | inComponents);
        } else if (codes[node] === slash) reach(onwards | lastSlash); // If the name ends here.
      } else if (way === behindComponents) {
        if (codes[node] === slash && startsComponent) reach(onwards);
      } else if (way === lastSlash) {
        if (kind === doubleStar) reach(onwards | lastComponents);
      } else if (way === lastComponents && codes[node] === slash) reach(onwards | closed);
    }
    return keep(found.subarray(0, count), accepts, hash);
  }

  /** The state itself, where it was found before; in whatever order its places were come to. */
  function keep(places: Int32Array, accepts: boolean, hash: number): State {
    const same = states.get(hash)?.find((state) => state.accepts === accepts && hasJust(state, places));
    if (same !== undefined) return same;
    if (kept > maxKept) {
      // A name on its way goes on with the state that it has.
      states = new Map();
      first = undefined;
      kept = 0;
    }
    const state: State = { places: places.slice(), accepts, next: new Map() };
    states.set(hash, [...(states.get(hash) ?? []), state]);
    kept += stateSize + places.length;
    return state;
  }

  /** What was come to in this search, and is as much as the state has, is what it has. */
  function hasJust(state: State, places: Int32Array): boolean {
    return state.places.length === places.length && state.places.every((place) => seenIn[place] === searches);
  }
}

const kindOf = ({ kind }: Node): number => kindsInOrder.indexOf(kind);

const isIn = ({ ranges, isNegated }: CharacterClass, code: number): boolean =>
  ranges.some(([from, to]) => from <= code && code <= to) !== isNegated;
