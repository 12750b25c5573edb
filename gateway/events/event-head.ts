import { setTimeout as sleep } from 'node:timers/promises';
import { type Catalogue, upcast } from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { followedNames } from '../../domain/public-event/project-names.ts';
import { type PublicEvent, publicEventOf } from '../../domain/public-event/public-event.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import { isOfRights } from './rights-events.ts';

/** What is kept for those who follow; who falls behind reads pages until he is here again. */
const maxKept = 2000;
const maxKeptBytes = 8 * 1024 * 1024;
const pauseMs = 1000;
/** For so long after the record of an erasure what is read may have the name still. Milliseconds. */
const namedAfterErasureMs = 10_000;

export interface EventHeadPorts {
  readonly log: Pick<EventLog, 'head' | 'subscribe'>;
  readonly catalogue: Catalogue;
  /** The projects that there were at the position, by name. */
  projectNumbersAt(position: bigint): Promise<readonly (readonly [name: string, projectId: number])[]>;
  /** Resolves when everything that says who may what shows the position. */
  rightsReached(position: bigint): Promise<void>;
  onFailure(error: unknown): void;
}

/**
 * What is new since the last call; `changed` where somebody may have got or lost rights, or where nothing follows. To be done
 * at once, since all who listen are called one after the other.
 */
export type Hear = (events: readonly PublicEvent[], changed: boolean) => void;

/** The newest events, of which each is read and translated once for all who follow. */
export interface EventHead {
  /** Resolves when it follows the log, which it does from the first call on. */
  join(): Promise<void>;
  /** What it knows of after a position, and up to where that is all; undefined where it does not know it all. */
  after(position: bigint): { readonly events: readonly PublicEvent[]; readonly position: bigint } | undefined;
  /** Calls `hear` whenever there is something new, until the function that it returns is called. */
  listen(hear: Hear): () => void;
  /** Another one when somebody may have got or lost rights by an event; those after it are told afterwards. */
  rights(): number;
  /** Aborted when it follows no more. */
  readonly ended: AbortSignal;
  stop(): Promise<void>;
}

export function eventHead(ports: EventHeadPorts): EventHead {
  const { log, catalogue } = ports;
  const closing = new AbortController();
  const kept: { readonly event: PublicEvent; readonly bytes: number }[] = [];
  let keptBytes = 0;
  /** It knows all public events after this position, up to `position`. */
  let floor = 0n;
  let position = 0n;
  let rights = 0;
  let keepsFrom = 0;
  const listeners = new Set<Hear>();
  let untold: PublicEvent[] = [];
  let joined: Promise<void> | undefined;
  let following: Promise<void> | undefined;

  async function begin(): Promise<void> {
    const start = await log.head();
    const names = followedNames(await ports.projectNumbersAt(start));
    floor = start;
    position = start;
    following = followFrom(start, names);
  }

  async function followFrom(start: bigint, names: ReturnType<typeof followedNames>): Promise<void> {
    let last = start;
    while (!closing.signal.aborted) {
      try {
        for await (const events of log.subscribe(last, closing.signal)) {
          for (const event of events) {
            const told = take(event, names);
            last = event.position;
            if (last <= floor || !told) continue;
            await settleRights(last);
          }
          position = last > position ? last : position;
          tell(false);
        }
      } catch (error) {
        if (closing.signal.aborted) return;
        // Such as an event of a newer version of Shiplog, which another process has recorded.
        ports.onFailure(error);
        await sleep(pauseMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      }
    }
  }

  /** Whether it is about who may what. */
  function take(recorded: RecordedEvent, names: ReturnType<typeof followedNames>): boolean {
    const event = upcast(catalogue, recorded);
    names.observe(event);
    const told = event.position > floor ? publicEventOf(event, names) : undefined;
    if (event.type === 'UserErased') keepsFrom = performance.now() + namedAfterErasureMs;
    if (told !== undefined) keep(told);
    return isOfRights(event.type);
  }

  function keep(event: PublicEvent): void {
    const bytes = JSON.stringify(event.data).length + 500;
    kept.push({ event, bytes });
    untold.push(event);
    keptBytes += bytes;
    if (performance.now() < keepsFrom) forgetAll(event.position);
    while (kept.length > maxKept || (keptBytes > maxKeptBytes && kept.length > 1)) {
      const oldest = kept.shift();
      if (oldest === undefined) return;
      floor = oldest.event.position;
      keptBytes -= oldest.bytes;
    }
  }

  /** Who was erased is named in what was read before; read once more it is without the name. */
  function forgetAll(upTo: bigint): void {
    kept.length = 0;
    keptBytes = 0;
    floor = upTo;
  }

  async function settleRights(at: bigint): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await ports.rightsReached(at);
        break;
      } catch (error) {
        ports.onFailure(error);
        await sleep(pauseMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      }
    }
    rights += 1;
    position = at;
    tell(true);
  }

  function tell(changed: boolean): void {
    const events = untold;
    untold = [];
    for (const hear of listeners) hear(events, changed);
  }

  return {
    join() {
      joined ??= begin().catch((error) => {
        joined = undefined;
        throw error;
      });
      return joined;
    },

    after(asked) {
      if (joined === undefined || asked < floor) return undefined;
      let first = kept.length;
      while (first > 0 && (kept[first - 1] as { event: PublicEvent }).event.position > asked) first -= 1;
      const events = kept
        .slice(first)
        .map(({ event }) => event)
        .filter((event) => event.position <= position);
      return { events, position: asked > position ? asked : position };
    },

    listen(hear) {
      listeners.add(hear);
      return () => listeners.delete(hear);
    },

    rights: () => rights,
    ended: closing.signal,

    async stop() {
      closing.abort();
      tell(true);
      await following;
    },
  };
}
