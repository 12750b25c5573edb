import type { Upload } from '../../infra/blob-store/port.ts';
import { RequestRefused } from '../errors.ts';

export interface UploadSlots {
  /**
   * Opens the upload `id` of `actor` by `create`, and counts it unless that fails.
   * @throws RequestRefused 429 where the actor has too many open ones; and what `create` throws.
   */
  open(actor: string, id: string, create: () => Promise<void>): Promise<void>;
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
  /** What a listing of the store may miss: uploads that are being opened, or were while the running count went on. */
  const opening = new Map<string, string>();
  /** Those of `opening` that the next count will find. */
  const opened = new Set<string>();
  /** What the running count may have found although it is over. */
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
    for (const [id, actor] of [...found, ...opening]) if (!released.has(id)) add(actor, id);
    countedAt = now();
  }

  function recount(): Promise<void> {
    counting ??= count().finally(() => {
      counting = undefined;
      for (const id of opened) opening.delete(id);
      opened.clear();
      released.clear();
    });
    return counting;
  }

  function release(id: string): void {
    if (counting) released.add(id);
    const actor = actors.get(id);
    if (actor === undefined) return;
    actors.delete(id);
    const ids = open.get(actor);
    ids?.delete(id);
    if (ids?.size === 0) open.delete(actor);
  }

  const isFull = (actor: string) => (open.get(actor)?.size ?? 0) >= limit;

  return {
    async open(actor, id, create) {
      if (isFull(actor) && now() - countedAt >= recountAfterMs) await recount();
      if (isFull(actor))
        throw new RequestRefused({
          status: 429,
          code: 'TOOMANYREQUESTS',
          message: `there are ${limit} open uploads of this account; finish or cancel some`,
          headers: { 'retry-after': String(recountAfterMs / 1000) },
        });
      opening.set(id, actor);
      add(actor, id);
      try {
        await create();
      } catch (error) {
        release(id);
        throw error;
      } finally {
        if (counting) opened.add(id);
        else opening.delete(id);
      }
    },

    release,
  };
}
