import { v7 } from 'uuid';

/** A new event id: UUIDv7, which only grows within this process, also while the clock goes backwards. */
export const newEventId = (): string => v7();
