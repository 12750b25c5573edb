import { LRUCache } from 'lru-cache';
import { RequestRefused } from '../errors.ts';
import { networkOf } from '../network.ts';

/** Slows down who guesses passwords, in this process. */
export interface LoginThrottle {
  /**
   * Resolves to what `check` resolves to: whether the password is right. While those under way could use up what may
   * still fail, it waits for them, so that nobody is refused for the failures of others that never come. A check that
   * rejects has not failed.
   * @throws RequestRefused 429 after too many failures.
   */
  attempt(account: string, address: string, check: () => Promise<boolean>): Promise<boolean>;
  /** Resolves when the answer to a wrong password may be sent. */
  pauseAfterFailure(account: string, address: string): Promise<void>;
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
/** Attempts that may wait for others at a time. */
const maxWaiting = 1000;
/** Failures that are taken for slips of the finger. */
const forgiven = 3;
const firstPauseMs = 100;
/** Harbor's pause. */
const longestPauseMs = 1500;
/** Answers that may wait at a time; each holds a connection. */
const maxPausing = 500;

/** What an attempt is counted under. */
type Counted = readonly (readonly [counts: FailureCounts, key: string])[];

interface Waiting {
  readonly counted: Counted;
  /** Is told how many seconds it is refused for; 0 when it may begin. */
  readonly decide: (waitSeconds: number) => void;
}

export function loginThrottle({ now, pause }: ThrottlePorts): LoginThrottle {
  const together = failureCounts(perAccountAndAddress, now);
  const addresses = failureCounts(perAddress, now);
  const accounts = failureCounts(perAccount, now);
  const togetherKey = (account: string, network: string): string => `${account}\0${network}`;
  /** In the order in which they came, by network: whatever an attempt waits for comes from the same one. */
  const lines = new Map<string, readonly Waiting[]>();
  let waiting = 0;
  let pausing = 0;

  async function mayBegin(counted: Counted, network: string): Promise<number> {
    const waitSeconds = begin(counted);
    if (waitSeconds !== undefined) return waitSeconds;
    if (waiting >= maxWaiting) throw tooMany('too many logins at once', 1);
    waiting += 1;
    return new Promise((decide) => {
      lines.set(network, [...(lines.get(network) ?? []), { counted, decide }]);
    });
  }

  function letIn(network: string): void {
    const line = lines.get(network) ?? [];
    const left = line.filter(({ counted, decide }) => {
      const waitSeconds = begin(counted);
      if (waitSeconds !== undefined) decide(waitSeconds);
      return waitSeconds === undefined;
    });
    waiting -= line.length - left.length;
    if (left.length === 0) lines.delete(network);
    else lines.set(network, left);
  }

  return {
    async attempt(account, address, check) {
      const network = networkOf(address);
      const counted: Counted = [
        [together, togetherKey(account, network)],
        [addresses, network],
        [accounts, account],
      ];
      const waitSeconds = await mayBegin(counted, network);
      if (waitSeconds > 0) throw tooMany('too many failed logins', waitSeconds);
      let failed = false;
      try {
        const matches = await check();
        failed = !matches;
        return matches;
      } finally {
        for (const [counts, key] of counted) counts.end(key, failed);
        letIn(network);
      }
    },

    async pauseAfterFailure(account, address) {
      const failures = Math.max(
        together.level(togetherKey(account, networkOf(address))),
        accounts.level(account),
      );
      if (failures <= forgiven || pausing >= maxPausing) return;
      pausing += 1;
      await pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - forgiven - 1)));
      pausing -= 1;
    },
  };
}

/** The seconds to wait after too many failures, 0 where it has begun, undefined where that hangs on those under way. */
function begin(counted: Counted): number | undefined {
  const waitMs = Math.max(...counted.map(([counts, key]) => counts.waitMs(key)));
  // Who is refused is not counted, or else he would never be let in again while he tries.
  if (waitMs > 0) return Math.ceil(waitMs / 1000);
  if (!counted.every(([counts, key]) => counts.hasRoom(key))) return undefined;
  for (const [counts, key] of counted) counts.begin(key);
  return 0;
}

type FailureCounts = ReturnType<typeof failureCounts>;

/** Failures by key, of which one is forgiven after each `everyMs`; those not used for the longest time are forgotten. */
function failureCounts({ burst, everyMs }: Limit, now: () => number) {
  const failures = new LRUCache<string, { readonly level: number; readonly at: number }>({
    max: maxRemembered,
  });
  const underWay = new Map<string, number>();
  const level = (key: string): number => {
    const count = failures.get(key);
    return count === undefined ? 0 : Math.max(0, count.level - (now() - count.at) / everyMs);
  };
  return {
    level,
    waitMs: (key: string): number => Math.max(0, (level(key) + 1 - burst) * everyMs),
    /** Whether one more may begin, also if everything under way fails. */
    hasRoom: (key: string): boolean => level(key) + (underWay.get(key) ?? 0) + 1 <= burst,
    begin(key: string): void {
      underWay.set(key, (underWay.get(key) ?? 0) + 1);
    },
    end(key: string, failed: boolean): void {
      const left = (underWay.get(key) ?? 1) - 1;
      if (left === 0) underWay.delete(key);
      else underWay.set(key, left);
      if (failed) failures.set(key, { level: level(key) + 1, at: now() });
    },
  };
}

export const tooMany = (message: string, waitSeconds: number): RequestRefused =>
  new RequestRefused({
    status: 429,
    code: 'TOOMANYREQUESTS',
    message,
    headers: { 'retry-after': String(waitSeconds) },
  });
