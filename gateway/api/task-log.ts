import type { JobJournal, LogLine } from '../../infra/job-journal/port.ts';

/** Lines of a log that are read at once. */
const atOnce = 1000;

export const lineOf = ({ at, level, text }: LogLine): string =>
  `${at.toISOString()} [${level.toUpperCase()}] ${text}`;

/** All that a task has said, a line each; empty where it has not said anything, or that was swept. */
export async function taskLog({ read }: Pick<JobJournal, 'read'>, taskId: number): Promise<string> {
  const lines: string[] = [];
  for (let after = 0n; ; ) {
    const some = await read(taskId, after, atOnce);
    lines.push(...some.map((line) => `${lineOf(line)}\n`));
    const last = some.at(-1);
    if (last === undefined || some.length < atOnce) return lines.join('');
    after = last.line;
  }
}
