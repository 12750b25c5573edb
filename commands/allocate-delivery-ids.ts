import type { Metadata } from '../domain/event.ts';
import type { AllocateIds } from './allocate-id.ts';

/** Numbers for deliveries of webhooks, of which one push can need hundreds: the log gives away blocks of them. */
const blockSize = 64;

export type AllocateDeliveryIds = (count: number, metadata: Metadata) => Promise<readonly number[]>;

/** What is left of a block is for who asks next, and is lost with the process. */
export function deliveryIdsAllocator(allocateIds: AllocateIds): AllocateDeliveryIds {
  let left: number[] = [];
  return async (count, metadata) => {
    const taken = left.splice(0, count);
    const missing = count - taken.length;
    if (missing === 0) return taken;
    const blocks = await allocateIds('webhook-delivery-block', Math.ceil(missing / blockSize), metadata);
    const ids = blocks.flatMap((block) =>
      Array.from({ length: blockSize }, (_, index) => (block - 1) * blockSize + index + 1),
    );
    taken.push(...ids.splice(0, missing));
    left = left.concat(ids);
    return taken;
  };
}
