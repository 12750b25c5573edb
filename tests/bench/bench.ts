/** A line of the table. */
export interface Figure {
  readonly work: string;
  readonly ours: string;
  /** The same of the peer, in the same run: distribution v3 where it is a registry. */
  readonly peer?: string;
  /** Ours by the peer's. */
  readonly ratio?: string;
  /** The same of Debian's docker-registry, and ours by its. */
  readonly older?: string;
  readonly olderRatio?: string;
  readonly goal?: string;
  /** Whether the goal is met; only where there is one. */
  readonly met?: boolean;
}

/** What a bench started and stops again, last first. */
export interface Scope {
  after(stop: () => unknown): void;
}

export interface Bench {
  /** As it is named on the command line. */
  readonly name: string;
  run(scope: Scope): Promise<readonly Figure[]>;
}

/** Runs `bench` and then stops what it started, also when it fails. */
export async function runBench({ run }: Bench): Promise<readonly Figure[]> {
  await using open = new AsyncDisposableStack();
  return await run({ after: (stop) => open.defer(async () => void (await stop())) });
}

/** The value that `share` (0 to 1) of all are at or below. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Calls `work` from `concurrency` loops until `count` calls are made; the milliseconds of each, and of all. */
export async function measure(
  concurrency: number,
  count: number,
  work: (index: number) => Promise<unknown>,
): Promise<{ readonly eachMs: readonly number[]; readonly allMs: number }> {
  const eachMs: number[] = [];
  let next = 0;
  const loop = async () => {
    while (next < count) {
      const index = next++;
      const startedAt = performance.now();
      await work(index);
      eachMs.push(performance.now() - startedAt);
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, loop));
  return { eachMs, allMs: performance.now() - startedAt };
}

/** As `measure`, for `seconds`: what is slow is measured as long as what is fast. */
export async function measureFor(seconds: number, concurrency: number, work: () => Promise<unknown>) {
  const endsAt = performance.now() + seconds * 1000;
  const eachMs: number[] = [];
  const startedAt = performance.now();
  const loop = async () => {
    for (let begun = performance.now(); begun < endsAt; ) {
      await work();
      const ended = performance.now();
      eachMs.push(ended - begun);
      begun = ended;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  return { eachMs, allMs: performance.now() - startedAt };
}

export const perSecond = (count: number, ms: number): string =>
  `${Math.round((count / ms) * 1000).toLocaleString('en')}/s`;
export const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 2 : 0)} ms`;
export const ratio = (ours: number, theirs: number): string => (ours / theirs).toFixed(2);
