import type { JobJournal, NewProgress } from '../infra/job-journal/port.ts';
import type { JobProgress, LogLevel } from './job.ts';

/** How often what a task says is written down, in milliseconds. */
const everyMs = 500;
/** What a task says at most in its log, over all attempts. */
const maxLines = 20_000;
const maxLineLength = 4000;
/** How much may wait to be written while the database is away. */
const maxWaiting = 2000;

/** Takes what a task says while it runs, and writes it down now and again; what cannot be written is left out. */
export interface TaskNotes {
  log(text: string, level?: LogLevel): void;
  progress(progress: JobProgress): void;
  /** Writes down what is left. */
  close(): Promise<void>;
}

/** @param attempt which time the task is begun: there may be notes of those before. */
export async function takeNotes(journal: JobJournal, taskId: number, attempt: number): Promise<TaskNotes> {
  let lines: { at: Date; level: string; text: string }[] = [];
  let progress: NewProgress | undefined;
  let left = maxLines;
  if (attempt > 1) left -= await journal.count(taskId, maxLines).catch(() => 0);
  let writing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => void flush(), everyMs);
  timer.unref();

  function flush(): Promise<void> {
    writing = writing.then(async () => {
      if (lines.length === 0 && progress === undefined) return;
      const [written, last] = [lines, progress];
      lines = [];
      progress = undefined;
      try {
        await journal.write(taskId, written, last);
      } catch {
        // The task is worth more than its log; later lines may find the database there again.
        lines = [...written, ...lines].slice(-maxWaiting);
        progress ??= last;
      }
    });
    return writing;
  }

  return {
    log(text, level = 'info') {
      const at = new Date();
      for (const line of text.split('\n')) {
        if (left <= 0 || lines.length >= maxWaiting) return;
        left -= 1;
        const shown = left === 0 ? 'the log is full, and what follows is left out' : line;
        lines.push({ at, level, text: shown.slice(0, maxLineLength) });
      }
    },

    progress({ stage, done, total, bytes, totalBytes }) {
      progress = { stage: stage.slice(0, 200), done, total, bytes, totalBytes };
    },

    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
