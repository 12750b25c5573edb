import type { Metadata } from '../domain/event.ts';
import type { AllocateIds } from './allocate-id.ts';

/** Numbers for deliveries of webhooks, of which one push can need hundreds: the log gives away blocks of them. */
const blockSize = 64;

export type AllocateDeliveryIds = (count: number, metadata: Metadata) => Promise<readonly number[]>;

/** For how long the rest of a block is kept, in milliseconds: lists show the greatest number first, as the latest. */
const keptMs = 1000;

/**
 * What is left of a block is for who asks next, if that is soon: other processes have blocks too, and the next delivery is to
 * have a greater number than theirs. It is lost with the process.
 * @param nowMs on a clock that only goes forward
 */
export function deliveryIdsAllocator(
  allocateIds: AllocateIds,
  nowMs: () => number = () => performance.now(),
): AllocateDeliveryIds {
  let left: number[] = [];
  let leftAt = 0;
  return async (count, metadata) => {
    if (nowMs() - leftAt >= keptMs) left = [];
    const taken = left.splice(0, count);
    const missing = count - taken.length;
    if (missing === 0) return taken;
    const blocks = await allocateIds('webhook-delivery-block', Math.ceil(missing / blockSize), metadata);
    const ids = blocks.flatMap((block) =>
      Array.from({ length: blockSize }, (_, index) => (block - 1) * blockSize + index + 1),
    );
    taken.push(...ids.splice(0, missing));
    left = left.concat(ids);
    leftAt = nowMs();
    return taken;
  };
}
