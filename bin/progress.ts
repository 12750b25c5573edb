/** How far a rebuild is: `events` were applied, up to `position` of `head`. */
export interface RebuildProgress {
  readonly events: number;
  readonly position: bigint;
  readonly head: bigint;
}

/** On a terminal the line is drawn again this often, elsewhere a new one is written; milliseconds. */
const redrawMs = 100;
const newLineMs = 5000;
const barWidth = 30;

/** Shows a bar, the rate and the time left on standard error, so that standard output holds the result alone. */
export function showProgress(output: NodeJS.WriteStream = process.stderr) {
  const startedAt = performance.now();
  const periodMs = output.isTTY ? redrawMs : newLineMs;
  let shownAt = startedAt;
  let last: RebuildProgress | undefined;

  function show(progress: RebuildProgress): void {
    const line = progressLine(progress, (performance.now() - startedAt) / 1000);
    output.write(output.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
    shownAt = performance.now();
  }

  return {
    update(progress: RebuildProgress): void {
      last = progress;
      if (performance.now() - shownAt >= periodMs) show(progress);
    },
    stop(): void {
      if (last === undefined) return;
      show(last);
      if (output.isTTY) output.write('\n');
    },
  };
}

/** `[######------] 41% | 123,456 events, 52,000/s | 12 s left` */
export function progressLine({ events, position, head }: RebuildProgress, seconds: number): string {
  const done = head === 0n ? 1 : Math.min(1, Number(position) / Number(head));
  const filled = Math.round(done * barWidth);
  const bar = '#'.repeat(filled) + '-'.repeat(barWidth - filled);
  const rate = Math.round(events / Math.max(seconds, 0.001));
  const left = done === 0 ? '?' : Math.ceil((seconds / done) * (1 - done));
  const number = (of: number): string => of.toLocaleString('en-US');
  return `[${bar}] ${Math.floor(done * 100)}% | ${number(events)} events, ${number(rate)}/s | ${left} s left`;
}
