import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedEvent } from '../domain/event.ts';
import type { UserErasureEvent } from '../domain/user-erasure/events.ts';
import type { Checkpoints } from '../infra/checkpoints/port.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { UserNames } from '../infra/user-names/port.ts';
import type { FollowPorts } from './follow-log.ts';

/** By what its place in the log is known. */
export const erasureFollower = 'erase-users';

/** How much of the log is read once more by who goes on, at the most: what comes in this time. Milliseconds. */
const markEveryMs = 60_000;

export interface EraseUsersPorts {
  readonly log: Pick<EventLog, 'head'>;
  readonly checkpoints: Pick<Checkpoints, 'read' | 'write'>;
  readonly userNames: Pick<UserNames, 'erase' | 'tidy' | 'staleMs'>;
  /** Removes what is kept of the user beside the log and the views. */
  forget(userId: number): Promise<void>;
  /** Builds what shows names of users anew from the log; rejects when `over` is aborted. */
  rebuild(over: AbortSignal): Promise<void>;
  /** Removes what was made of views and events that showed their names, and is in no view. */
  removeCopies(userIds: readonly number[]): Promise<void>;
  /** Takes away what a database keeps of rows that are gone. */
  tidy(): Promise<void>;
  onErased(users: number): void;
}

/**
 * What is done for those who were erased, by who follows the log: their names are destroyed, and then the views are built
 * anew, in which they are not. Doing it twice does no harm.
 */
export function eraseUsers(ports: EraseUsersPorts): Pick<FollowPorts, 'begin' | 'take'> {
  const { log, checkpoints, userNames } = ports;
  let behind = 0n;
  const erased = new Set<number>();
  let marked = performance.now();

  async function finish(over: AbortSignal): Promise<void> {
    // Until then another process may fill in what it has kept: into rows of events from before, which are built anew now.
    await sleep(userNames.staleMs * 1.25, undefined, { signal: over });
    await userNames.tidy();
    await ports.tidy();
    await ports.rebuild(over);
    await ports.removeCopies([...erased]);
    ports.onErased(erased.size);
  }

  return {
    async begin() {
      // Of what was erased long ago the views are built anew once, and not after each part of the log.
      behind = await log.head();
      erased.clear();
      return (await checkpoints.read(erasureFollower)) ?? 0n;
    },

    async take(events, over) {
      for (const {
        type,
        data,
      } of events as readonly unknown[] as readonly RecordedEvent<UserErasureEvent>[]) {
        if (type !== 'UserErased') continue;
        await ports.forget(data.userId);
        await userNames.erase(data.userId);
        erased.add(data.userId);
      }
      const position = events.at(-1)?.position ?? 0n;
      if (erased.size === 0 && performance.now() - marked < markEveryMs) return;
      if (erased.size > 0) {
        if (position < behind) return;
        await finish(over);
        erased.clear();
      }
      await checkpoints.write(erasureFollower, position);
      marked = performance.now();
    },
  };
}
