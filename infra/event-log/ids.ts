import { createHash } from 'node:crypto';
import { v7 } from 'uuid';

/** A new event id: UUIDv7, which only grows within this process, also while the clock goes backwards. */
export const newEventId = (): string => v7();

/** When a UUIDv7 was made (RFC 9562, section 5.7), in milliseconds since 1970; undefined for another version. */
export function madeAtMs(id: string): number | undefined {
  return id[14] === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

/** A UUIDv7 of the same moment as that of `id`, and always the same for one `purpose`: who repeats what it did, does it once. */
export function derivedEventId(id: string, purpose: string): string {
  const hash = createHash('sha256').update(`${purpose}/${id}`).digest('hex');
  const variant = ((Number.parseInt(hash[3] ?? '0', 16) & 0x3) | 0x8).toString(16);
  return `${id.slice(0, 14)}7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`;
}
