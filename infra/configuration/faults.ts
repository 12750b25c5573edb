/** One thing that is wrong with the configuration. */
export interface Fault {
  /** `http.port`; empty for the file as a whole. */
  readonly key: string;
  /** `shiplog.yml, line 7`, the name of an environment variable, or undefined for what was given nowhere. */
  readonly from: string | undefined;
  /** Never the value of a secret. */
  readonly found: string;
  readonly expected: string;
  /** What was probably meant by a name that nobody knows. */
  readonly guess?: string | undefined;
}

/** All that is wrong with the configuration at once, one line a fault. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly faults: readonly Fault[];
  constructor(faults: readonly Fault[], options?: ErrorOptions) {
    const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`;
    super([`the configuration has ${count}:`, ...faults.map(line)].join('\n'), options);
    this.faults = faults;
  }
}

function line({ key, from, found, expected, guess }: Fault): string {
  const place = [key, from && `(${from})`].filter(Boolean).join(' ');
  return `  ${place}: found ${found}; ${guess === undefined ? `expected ${expected}` : `did you mean ${guess}?`}`;
}

/** The candidate that `word` is most likely a slip of, or undefined where none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  // A third of the letters may be wrong; more, and the guess misleads.
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's, where two neighbours in the wrong order count as one slip. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(at(previous, j) + 1, at(current, j - 1) + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, at(beforePrevious, j - 2) + 1);
      current.push(least);
    }
    [beforePrevious, previous] = [previous, current];
  }
  return at(previous, b.length);
}

const at = (row: readonly number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY;
