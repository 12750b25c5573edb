import { type TestContext, test } from 'node:test';
import type { EventLog } from '../../infra/event-log/port.ts';
import { appendRules } from './event-log-appends.ts';
import { contentRules } from './event-log-contents.ts';
import { faultRules } from './event-log-faults.ts';
import { orderRules } from './event-log-order.ts';
import { readRules } from './event-log-reads.ts';

/** An empty log on a running engine. The suite closes `log` and what `open` gave. */
export interface LogUnderTest {
  readonly log: EventLog;
  /** Another independent client of the same log. */
  open(): Promise<EventLog>;
  /** Stops the engine with SIGKILL and starts it on the same data and the same port or socket. */
  restartEngine?(): Promise<void>;
  /**
   * Breaks the connections of `log`, and of what `open` gave, to the engine and refuses new ones, until the
   * function that it resolves to is called.
   */
  cut?(): Promise<() => Promise<void>>;
  /** How another process opens the same log: `module`, a URL, exports `openLog(argument): Promise<EventLog>`. */
  readonly writer: { readonly module: string; readonly argument: string };
}

export interface LogAbilities {
  readonly appendsManyAtomically: boolean;
  /** What the run can do to the engine: `restartEngine`, `cut`. */
  readonly faults: readonly ('restart' | 'cut')[];
}

/** Registers the test of one rule that every event log keeps. */
export type LogRule = (
  sentence: string,
  check: (under: LogUnderTest, t: TestContext) => Promise<void>,
) => void;

/**
 * The rules of the port `EventLog`. `start` is called once a test and gives a log without events; it may share the
 * engine between the tests of a file, which run one after the other. It gives undefined after it skipped `t`.
 */
export function eventLogContract(
  engine: string,
  start: (t: TestContext) => Promise<LogUnderTest | undefined>,
  abilities: LogAbilities,
): void {
  const rule: LogRule = (sentence, check) => {
    test(`${engine}: ${sentence}`, { timeout: 90_000 }, async (t) => {
      const under = await start(t);
      if (under === undefined) return;
      const opened = [under.log];
      const open = async () => {
        const log = await under.open();
        opened.push(log);
        return log;
      };
      try {
        await check({ ...under, open }, t);
      } finally {
        await Promise.all(opened.map((log) => log.close()));
      }
    });
  };
  appendRules(rule, abilities);
  contentRules(rule);
  readRules(rule);
  orderRules(rule);
  faultRules(rule, abilities);
}
