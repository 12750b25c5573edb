/** How often a request that is at work on an upload says so, for the sweeps of all processes; milliseconds. */
export const heartbeatMs = 30_000;

/** Calls `beat` every `everyMs` while `work` runs; none is on its way any more when it has ended. */
export async function whileBeating<Result>(
  everyMs: number,
  beat: () => Promise<unknown>,
  work: () => Promise<Result>,
): Promise<Result> {
  let beating: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    if (beating !== undefined) return;
    const done = () => {
      beating = undefined;
    };
    // A beat that fails is made up for by the next; of a medium that is gone the work itself will tell.
    beating = beat().then(done, done);
  }, everyMs).unref();
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await beating;
  }
}
