/** What a subscriber should have been told, and what it was. */
export interface Ledger {
  readonly subscriber: string;
  readonly expected: number;
  /** Different ones, of those that are expected. */
  readonly received: number;
  readonly missing: number;
  /** Deliveries of what had been delivered before. */
  readonly duplicates: number;
  /** Those that came behind a later one of their repository. */
  readonly outOfOrder: number;
  /** Told, and not expected. */
  readonly unknown: number;
}

export interface Expected {
  readonly id: string;
  readonly repository: string;
}

/** @param expected in the order of the log. @param received the ids as they came. */
export function ledgerOf(
  subscriber: string,
  expected: readonly Expected[],
  received: readonly string[],
): Ledger {
  const places = new Map(expected.map(({ id, repository }, place) => [id, { repository, place }]));
  const first = new Set<string>();
  const reached = new Map<string, number>();
  let duplicates = 0;
  let outOfOrder = 0;
  let unknown = 0;
  for (const id of received) {
    const at = places.get(id);
    if (at === undefined) unknown += 1;
    else if (first.has(id)) duplicates += 1;
    else {
      first.add(id);
      if (at.place < (reached.get(at.repository) ?? -1)) outOfOrder += 1;
      else reached.set(at.repository, at.place);
    }
  }
  const missing = expected.length - first.size;
  return {
    ...{ subscriber, expected: expected.length, received: first.size },
    ...{ missing, duplicates, outOfOrder, unknown },
  };
}

export const ledgerLine = ({ subscriber, ...counts }: Ledger): string =>
  [
    subscriber.padEnd(10),
    ...Object.entries(counts).map(
      ([name, count]) => `${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${count}`,
    ),
  ].join('  ');
