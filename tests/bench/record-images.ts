import type { EventLog } from '../../infra/event-log/port.ts';
import { pushedImage } from './events.ts';

/** Pushes that are recorded together; the engine takes 2,000 events in one transaction. */
const together = 200;

/** Records `count` pushes from the image number `first` on. */
export async function recordImages(log: EventLog, first: number, count: number): Promise<void> {
  for (let from = first; from < first + count; from += together) {
    const numbers = Array.from({ length: Math.min(together, first + count - from) }, (_, n) => from + n);
    await Promise.all(numbers.map((number) => log.appendMany(pushedImage(number))));
  }
}
