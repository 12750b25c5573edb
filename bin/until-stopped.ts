import type { Logger } from 'pino';
import { startFailure } from './start-failure.ts';

/**
 * For a process that has closed all: a job that does not end would keep it, with the connection that holds the lock of its
 * worker, and nobody else could go on with the job. Milliseconds.
 */
const graceMs = 2000;

interface Process {
  readonly logger: Logger;
  readonly signals: readonly NodeJS.Signals[];
  /** What is said of an error that an operator may not understand. */
  readonly failure: string;
}

/**
 * Runs a process until one of `signals`, which aborts `stopping`; a second one ends it at once. What `run` throws is told in
 * one line where it is known, and the exit code is 1 then.
 */
export async function untilStopped(
  { logger, signals, failure }: Process,
  run: (stopping: AbortSignal, onHangUp: (work: () => void) => void) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    // The second one is from somebody who will not wait.
    if (stopping.signal.aborted) process.exit(1);
    logger.info(`${signal}: stopping`);
    stopping.abort();
  };
  for (const signal of signals) process.on(signal, stop);
  try {
    await run(stopping.signal, (work) => process.off('SIGHUP', stop).on('SIGHUP', work));
    logger.info('stopped');
  } catch (error) {
    const explanation = startFailure(error);
    if (explanation === undefined) logger.fatal({ err: error }, failure);
    else logger.fatal(explanation);
    process.exitCode = 1;
  }
  setTimeout(() => process.exit(), graceMs).unref();
}

/** Resolves when `signal` is aborted, also where it is already. */
export const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
