import type { Upload } from '../../infra/blob-store/port.ts';
import { RequestRefused } from '../errors.ts';

export interface UploadSlots {
  /** Counts an upload that `actor` is about to open. @throws RequestRefused 429 where it has too many open ones. */
  take(actor: string, id: string): Promise<void>;
  /** The upload is over. */
  release(id: string): void;
}

export interface UploadSlotPorts {
  /** How many uploads one actor may have open. */
  readonly limit: number;
  listUploads(): AsyncIterable<Pick<Upload, 'id' | 'startedBy'>>;
  /** Milliseconds; only differences count. */
  now(): number;
}

/** How long a count of the store is believed when somebody is at the limit; milliseconds. */
const recountAfterMs = 10_000;

/**
 * Counts the open uploads of each actor without asking the store, which would have to list them. Other processes open
 * and end uploads too, so the count is made again from the store before anybody is refused, though not at each request.
 */
export function uploadSlots({ limit, listUploads, now }: UploadSlotPorts): UploadSlots {
  let open = new Map<string, Set<string>>();
  const actors = new Map<string, string>();
  let countedAt = Number.NEGATIVE_INFINITY;
  let counting: Promise<void> | undefined;
  /** What the running count may have missed. */
  const taken = new Map<string, string>();
  const released = new Set<string>();

  function add(actor: string, id: string): void {
    actors.set(id, actor);
    const ids = open.get(actor) ?? new Set();
    open.set(actor, ids.add(id));
  }

  async function count(): Promise<void> {
    const found = new Map<string, string>();
    for await (const { id, startedBy } of listUploads()) found.set(id, startedBy);
    open = new Map();
    actors.clear();
    for (const [id, actor] of [...found, ...taken]) if (!released.has(id)) add(actor, id);
    countedAt = now();
  }

  function recount(): Promise<void> {
    counting ??= count().finally(() => {
      counting = undefined;
      taken.clear();
      released.clear();
    });
    return counting;
  }

  const isFull = (actor: string) => (open.get(actor)?.size ?? 0) >= limit;

  return {
    async take(actor, id) {
      if (isFull(actor) && now() - countedAt >= recountAfterMs) await recount();
      if (isFull(actor))
        throw new RequestRefused({
          status: 429,
          code: 'TOOMANYREQUESTS',
          message: `there are ${limit} open uploads of this account; finish or cancel some`,
          headers: { 'retry-after': String(recountAfterMs / 1000) },
        });
      if (counting) taken.set(id, actor);
      add(actor, id);
    },

    release(id) {
      if (counting) released.add(id);
      const actor = actors.get(id);
      if (actor === undefined) return;
      actors.delete(id);
      const ids = open.get(actor);
      ids?.delete(id);
      if (ids?.size === 0) open.delete(actor);
    },
  };
}
