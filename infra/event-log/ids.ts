import { v7 } from 'uuid';

/** A new event id: UUIDv7, which only grows within this process, also while the clock goes backwards. */
export const newEventId = (): string => v7();

/** When a UUIDv7 was made (RFC 9562, section 5.7), in milliseconds since 1970; undefined for another version. */
export function madeAtMs(id: string): number | undefined {
  return id[14] === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}
