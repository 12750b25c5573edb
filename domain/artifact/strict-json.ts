/** More than any real manifest has; a parser that recurses would not survive what fits into one. */
const maxDepth = 64;
/**
 * Names, objects and lists together: room for ten thousand descriptors with their platforms. As many as fit into 4 MiB
 * would keep the process from everything else for half a second.
 */
const maxParts = 100_000;

const quote = 0x22;
const backslash = 0x5c;

/**
 * The JSON value in `text`. Refuses an object that has a name twice, since readers disagree on which one counts: what
 * was checked here would not be what a client sees.
 * @throws SyntaxError for that, for a nesting deeper than 64, for more parts than any manifest has, and for what is not
 * JSON.
 */
export function parseStrictJson(text: string): unknown {
  /** The names so far of each object that is open, null for an array. */
  const open: (Set<string> | null)[] = [];
  let parts = 0;
  const countPart = (): void => {
    parts += 1;
    if (parts > maxParts) throw new SyntaxError(`it has more than ${maxParts} names, objects and lists`);
  };
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '{':
      case '[':
        if (open.length === maxDepth) throw new SyntaxError(`it is nested deeper than ${maxDepth}`);
        countPart();
        open.push(text[at] === '{' ? new Set() : null);
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case '"': {
        const end = endOfString(text, at);
        if (isName(text, end)) {
          countPart();
          takeName(open.at(-1), text.slice(at, end));
        }
        at = end - 1;
      }
    }
  }
  return JSON.parse(text);
}

/** The index after the closing quote of the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) return at + 1;
    at += code === backslash ? 2 : 1;
  }
  return text.length;
}

/** Whether the string that ends before `end` is the name of a member: in JSON only those have a colon after them. */
function isName(text: string, end: number): boolean {
  let at = end;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return text[at] === ':';
}

function takeName(names: Set<string> | null | undefined, literal: string): void {
  // One name can be written in several ways.
  const name: string = literal.includes('\\') ? JSON.parse(literal) : literal.slice(1, -1);
  if (names?.has(name)) throw new SyntaxError(`it has ${JSON.stringify(name.slice(0, 100))} twice`);
  names?.add(name);
}
