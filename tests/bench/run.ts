import { cpus, loadavg } from 'node:os';
import { apiLists } from './api-lists.ts';
import { append } from './append.ts';
import { type Bench, type Figure, runBench } from './bench.ts';
import { crowd } from './crowd.ts';
import { image } from './image.ts';
import { largeBlob } from './large-blob.ts';
import { lists } from './lists.ts';
import { manifest } from './manifest.ts';
import { read } from './read.ts';
import { replay } from './replay.ts';
import { start } from './start.ts';
import { webhooks } from './webhooks.ts';

const benches: readonly Bench[] = [
  append,
  read,
  replay,
  start,
  largeBlob,
  image,
  manifest,
  lists,
  apiLists,
  crowd,
  webhooks,
];

const names = process.argv.slice(2);
const unknown = names.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(
    `no bench is called ${unknown.join(', ')}; there are ${benches.map(({ name }) => name).join(', ')}`,
  );
  process.exit(1);
}

const figures: Figure[] = [];
for (const bench of benches) {
  if (names.length > 0 && !names.includes(bench.name)) continue;
  const startedAt = performance.now();
  process.stderr.write(`${bench.name} … `);
  figures.push(...(await runBench(bench)));
  process.stderr.write(`${Math.round((performance.now() - startedAt) / 1000)} s\n`);
}
print(figures);

function print(figures: readonly Figure[]): void {
  const verdict = ({ met }: Figure) => (met === undefined ? '' : met ? 'met' : 'MISSED');
  const rows = [
    ['work', 'shiplog', 'peer', 'ratio', '2.8.2', 'ratio', 'goal', ''],
    ...figures.map((figure) => {
      const { work, ours, peer = '', ratio = '', older = '', olderRatio = '', goal = '' } = figure;
      return [work, ours, peer, ratio, older, olderRatio, goal, verdict(figure)];
    }),
  ];
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, column) => Math.max(widest[column] ?? 0, cell.length)),
    [],
  );
  console.log();
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  const [cpu] = cpus();
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(
    `\n${new Date().toISOString()}, ${cpus().length} × ${cpu?.model.trim()}, node ${process.versions.node}, ${process.platform}, load ${load.join(' ')}`,
  );
}
