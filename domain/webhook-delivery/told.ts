import type { Notification } from '../webhook/notification.ts';
import type { PayloadFacts } from '../webhook/payload.ts';
import type { RequestedDeliveries } from './events.ts';

/** What the bodies of deliveries are made of, whenever they are made. */
export interface Told {
  readonly notification: Notification;
  readonly facts: PayloadFacts;
}

/** As JSON can hold it, in an event. */
export function storedTold({ notification, facts }: Told): RequestedDeliveries['told'] {
  const { position, occurredAt, ...rest } = notification;
  return {
    notification: { ...rest, position: String(position), occurredAt: occurredAt.toISOString() },
    facts: { ...facts, repositoryCreatedAt: facts.repositoryCreatedAt?.toISOString() ?? null },
  };
}

/** @param stored what `storedTold` has given */
export function readTold(stored: Readonly<Record<string, unknown>>): Told {
  const { notification, facts } = stored as {
    notification: Omit<Notification, 'position' | 'occurredAt'> & { position: string; occurredAt: string };
    facts: Omit<PayloadFacts, 'repositoryCreatedAt'> & { repositoryCreatedAt: string | null };
  };
  const { repositoryCreatedAt } = facts;
  return {
    notification: {
      ...notification,
      position: BigInt(notification.position),
      occurredAt: new Date(notification.occurredAt),
    },
    facts: {
      ...facts,
      repositoryCreatedAt: repositoryCreatedAt === null ? undefined : new Date(repositoryCreatedAt),
    },
  };
}
