import { LRUCache } from 'lru-cache';

/** Slows down who guesses passwords, in this process. */
export interface LoginThrottle {
  /** Counts an attempt. How many seconds to wait before the next one where there were too many; else 0. */
  admit(account: string, address: string): number;
  /** Takes back an attempt whose password was right. */
  succeeded(account: string, address: string): void;
  /** Resolves when the answer to a wrong password may be sent. */
  failed(account: string, address: string): Promise<void>;
}

export interface ThrottlePorts {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  pause(ms: number): Promise<void>;
}

interface Limit {
  /** That many failures at once, */
  readonly burst: number;
  /** and one more after each so many milliseconds. */
  readonly everyMs: number;
}

/**
 * An account is refused only to the address that failed on it: a stranger cannot lock anybody out who sits elsewhere,
 * and who is let in again waits seconds, not minutes.
 */
const perAccountAndAddress: Limit = { burst: 20, everyMs: 10_000 };
/** Behind one address there can be a whole company; its robots' passwords are remembered and not counted. */
const perAddress: Limit = { burst: 200, everyMs: 1000 };
/** Failures on an account from anywhere, which make the answers slow and refuse nobody. */
const perAccount: Limit = { burst: Number.POSITIVE_INFINITY, everyMs: 10_000 };

const maxRemembered = 10_000;
/** Failures that are taken for slips of the finger. */
const forgiven = 3;
const firstPauseMs = 100;
/** Harbor's pause. */
const longestPauseMs = 1500;
/** Answers that may wait at a time; each holds a connection. */
const maxPausing = 500;

export function loginThrottle({ now, pause }: ThrottlePorts): LoginThrottle {
  const together = leakyCounts(perAccountAndAddress, now);
  const addresses = leakyCounts(perAddress, now);
  const accounts = leakyCounts(perAccount, now);
  const countsOf = (account: string, address: string) =>
    [
      [together, `${account}\0${networkOf(address)}`],
      [addresses, networkOf(address)],
      [accounts, account],
    ] as const;
  let pausing = 0;

  return {
    admit(account, address) {
      const counts = countsOf(account, address);
      const waitMs = Math.max(...counts.map(([of, key]) => of.waitMs(key)));
      // Who is refused is not counted, or else he would never be let in again while he tries.
      if (waitMs > 0) return Math.ceil(waitMs / 1000);
      for (const [of, key] of counts) of.add(key, 1);
      return 0;
    },

    succeeded(account, address) {
      for (const [of, key] of countsOf(account, address)) of.add(key, -1);
    },

    async failed(account, address) {
      const [[, key]] = countsOf(account, address);
      const failures = Math.max(together.level(key), accounts.level(account));
      if (failures <= forgiven || pausing >= maxPausing) return;
      pausing += 1;
      await pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - forgiven - 1)));
      pausing -= 1;
    },
  };
}

/** Counts by key that go down by one after each `everyMs`; those not used for the longest time are forgotten. */
function leakyCounts({ burst, everyMs }: Limit, now: () => number) {
  const counts = new LRUCache<string, { readonly level: number; readonly at: number }>({
    max: maxRemembered,
  });
  const level = (key: string): number => {
    const count = counts.get(key);
    return count === undefined ? 0 : Math.max(0, count.level - (now() - count.at) / everyMs);
  };
  return {
    level,
    waitMs: (key: string): number => Math.max(0, (level(key) + 1 - burst) * everyMs),
    add(key: string, by: number): void {
      counts.set(key, { level: Math.max(0, level(key) + by), at: now() });
    },
  };
}

/** The address itself, or the 64 bits of an IPv6 address that are one subscriber's. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.split('::');
  const before = head.split(':').filter((group) => group !== '');
  const after = tail?.split(':').filter((group) => group !== '') ?? [];
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}
