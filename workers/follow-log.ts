import { type Catalogue, upcast } from '../domain/catalogue.ts';
import type { RecordedEvent } from '../domain/event.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { pause } from './pause.ts';

/** How soon another process takes over from one that is gone, in milliseconds. */
const takeOverMs = 3000;
/** The pause after a failure doubles from the first to the longest, in milliseconds. */
const firstPauseMs = 500;
const longestPauseMs = 60_000;

export interface FollowPorts {
  readonly log: Pick<EventLog, 'subscribe'>;
  readonly catalogue: Catalogue;
  /** Runs `work` where no other process follows under the same name, undefined where one does; see `aloneIn`. */
  alone<Result>(work: (lost: AbortSignal) => Promise<Result>): Promise<Result | undefined>;
  /** The position after which to go on: asked whenever this process begins, and after each failure. */
  begin(): Promise<bigint>;
  /**
   * What happened, in order and in the current versions. When it resolves nothing of it can be lost, though this process dies;
   * when it rejects, or the process dies before, the same events come again, perhaps in other batches.
   * @param over aborted when somebody else may begin, or this process ends
   */
  take(events: readonly RecordedEvent[], over: AbortSignal): Promise<void>;
  /** It goes on by itself, after a pause. */
  onFailure(error: unknown): void;
}

export interface Following {
  /** Up to where this process has taken all; undefined while another process follows, or none can. */
  position(): bigint | undefined;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/** Follows the log until it is stopped, in one process of all that would. */
export function keepFollowing(ports: FollowPorts): Following {
  const { log, catalogue, alone } = ports;
  const closing = new AbortController();
  let position: bigint | undefined;
  let pauseMs = firstPauseMs;
  const following = untilClosed();

  async function untilClosed(): Promise<void> {
    while (!closing.signal.aborted) {
      let restMs = takeOverMs;
      try {
        await alone((lost) => follow(AbortSignal.any([closing.signal, lost])));
      } catch (error) {
        if (closing.signal.aborted) return;
        ports.onFailure(error);
        restMs = pauseMs;
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      } finally {
        position = undefined;
      }
      await pause(restMs, closing.signal);
    }
  }

  async function follow(over: AbortSignal): Promise<void> {
    const start = await ports.begin();
    position = start;
    for await (const events of log.subscribe(start, over)) {
      if (over.aborted) return;
      await ports.take(
        events.map((event) => upcast(catalogue, event)),
        over,
      );
      position = events.at(-1)?.position ?? position;
      pauseMs = firstPauseMs;
    }
  }

  return {
    position: () => position,
    async stop() {
      closing.abort();
      await following;
    },
  };
}
