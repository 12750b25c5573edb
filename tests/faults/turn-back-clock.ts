/** Loaded into a server before anything else: each SIGUSR2 turns its clock back by three hours. */
const turnBackMs = 3 * 60 * 60 * 1000;
const RealDate = Date;
let behindMs = 0;

process.on('SIGUSR2', () => {
  behindMs += turnBackMs;
  // Where the test sees that it has happened.
  process.stdout.write(
    `${JSON.stringify({ level: 'info', msg: 'the clock is turned back', now: Date.now() })}\n`,
  );
});

globalThis.Date = class extends RealDate {
  constructor(...given: [] | ConstructorParameters<DateConstructor>) {
    if (given.length === 0) super(RealDate.now() - behindMs);
    else super(...(given as ConstructorParameters<DateConstructor>));
  }
  static override now(): number {
    return RealDate.now() - behindMs;
  }
} as DateConstructor;
