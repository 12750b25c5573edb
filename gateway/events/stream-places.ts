import { RequestRefused } from '../errors.ts';

export interface StreamLimits {
  /** Of this process. */
  readonly maxStreams: number;
  readonly maxStreamsPerAccount: number;
}

/** Keeps those who wait for events, and the connections that they hold, within bounds. */
export function streamPlaces({ maxStreams, maxStreamsPerAccount }: StreamLimits) {
  const held = new Map<string, number>();
  let open = 0;

  /**
   * A place for `account`, until the function that it returns is called, once or more often.
   * @throws RequestRefused 429 where the account has too many, 503 where all together have.
   */
  return (account: string): (() => void) => {
    const own = held.get(account) ?? 0;
    if (own >= maxStreamsPerAccount)
      throw refused(
        429,
        'TOOMANYREQUESTS',
        `no more than ${maxStreamsPerAccount} streams of events at a time`,
      );
    if (open >= maxStreams) throw refused(503, 'UNAVAILABLE', 'there are too many streams of events');
    held.set(account, own + 1);
    open += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      open -= 1;
      const rest = (held.get(account) ?? 1) - 1;
      if (rest === 0) held.delete(account);
      else held.set(account, rest);
    };
  };
}

const refused = (status: number, code: string, message: string) =>
  new RequestRefused({ status, code, message, headers: { 'retry-after': '10' } });
