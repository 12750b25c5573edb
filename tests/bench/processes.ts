import { readdirSync, readFileSync } from 'node:fs';

/** Of `CLK_TCK`, which is 100 on every Linux that Node runs on. */
const tickMs = 10;

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** User and system time, of its own and of the children that it has waited for. */
  readonly cpuMs: number;
}

/** CPU milliseconds, to 10 ms, that the process `root` and all its descendants have used so far (proc(5), stat). */
export function cpuMsOf(root: number): number {
  const processes = [...listProcesses()];
  const tree = new Set([root]);
  for (let before = 0; before < tree.size; ) {
    before = tree.size;
    for (const { pid, parent } of processes) if (tree.has(parent)) tree.add(pid);
  }
  return processes.filter(({ pid }) => tree.has(pid)).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

function* listProcesses(): Generator<Process> {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readIfThere(`/proc/${name}/stat`);
    if (stat === undefined) continue;
    // The name in brackets may hold anything; the fields after it begin with the third.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const times = fields.slice(11, 15).map(Number);
    yield {
      pid: Number(name),
      parent: Number(fields[1]),
      cpuMs: times.reduce((sum, ticks) => sum + ticks, 0) * tickMs,
    };
  }
}

/** Bytes that the process alone has in memory now, without its children. */
export function residentBytesOf(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readIfThere(`/proc/${pid}/status`) ?? '') ?? [];
  return Number(kib ?? Number.NaN) * 1024;
}

/** Looks at `residentBytesOf` until it is stopped; `stop` answers with the most that it saw. */
export function watchResidentBytes(pid: number): { stop(): number } {
  let most = residentBytesOf(pid);
  const look = () => {
    most = Math.max(most, residentBytesOf(pid));
  };
  const timer = setInterval(look, 20);
  return {
    stop() {
      clearInterval(timer);
      look();
      return most;
    },
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has ended meanwhile.
    return undefined;
  }
}
