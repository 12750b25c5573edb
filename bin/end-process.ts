const graceMs = 2000;

/**
 * For a process that has closed all: a job that does not end would keep it, with the connection that holds the lock of its
 * worker, and nobody else could go on with the job.
 */
export function endProcessSoon(): void {
  setTimeout(() => process.exit(), graceMs).unref();
}
