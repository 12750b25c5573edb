/** A part of a pattern, in the order of the text. */
export type Part = Single | { readonly kind: 'alternatives'; readonly of: readonly (readonly Part[])[] };

export type Single =
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'any' | 'star' | 'double-star' }
  | CharacterClass;

export interface CharacterClass {
  readonly kind: 'class';
  readonly isNegated: boolean;
  /** Each from its first to its last code point. */
  readonly ranges: readonly (readonly [number, number])[];
}

export class PatternInvalid extends Error {
  override readonly name = 'PatternInvalid';
}

/**
 * Reads a pattern of Go's doublestar, by which Harbor's rules select names: `?` is a character and `*` any number of them
 * within a path component, `**` as a whole component is any number of components; `[a-z]`, `[^a]` and `[!a]` are
 * classes, `{a,b}` are alternatives of whatever kind, and `\` takes what follows it as it is.
 * @throws PatternInvalid
 */
export function parsePattern(text: string): readonly Part[] {
  const characters = [...text];
  // Without recursion, since a pattern may nest as deep as it is long.
  const outer: Part[][][] = [];
  let alternatives: Part[][] = [[]];

  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] as string;
    const parts = alternatives.at(-1) as Part[];
    if (character === '{') {
      outer.push(alternatives);
      alternatives = [[]];
    } else if (character === '}') {
      const of = alternatives;
      alternatives = outer.pop() ?? refuse('a } has no { before it');
      alternatives.at(-1)?.push({ kind: 'alternatives', of });
    } else if (character === ',' && outer.length > 0) {
      alternatives.push([]);
    } else if (character === '[') {
      const { end, ...read } = readClass(characters, at + 1);
      parts.push(read);
      at = end;
    } else if (character === '*') {
      const first = at;
      while (characters[at + 1] === '*') at += 1;
      // Three and more are no more than one.
      parts.push({ kind: at - first === 1 ? 'double-star' : 'star' });
    } else if (character === '\\') {
      at += 1;
      parts.push({ kind: 'character', character: characters[at] ?? refuse('nothing follows its last \\') });
    } else parts.push(character === '?' ? { kind: 'any' } : { kind: 'character', character });
  }
  if (outer.length > 0) refuse('a { is not closed');
  return alternatives[0] as Part[];
}

/** @param start behind its bracket. */
function readClass(characters: readonly string[], start: number): CharacterClass & { readonly end: number } {
  const isNegated = characters[start] === '^' || characters[start] === '!';
  const ranges: [number, number][] = [];
  let at = isNegated ? start + 1 : start;

  function readOne(): number {
    if (characters[at] === '\\') at += 1;
    const character = characters[at] ?? refuse('a [ is not closed');
    at += 1;
    return character.codePointAt(0) as number;
  }

  while (characters[at] !== ']') {
    const from = readOne();
    const isRange = characters[at] === '-' && characters[at + 1] !== ']';
    if (isRange) at += 1;
    ranges.push([from, isRange ? readOne() : from]);
  }
  if (ranges.length === 0) refuse('a [] is empty');
  return { kind: 'class', isNegated, ranges, end: at };
}

function refuse(fault: string): never {
  throw new PatternInvalid(fault);
}
