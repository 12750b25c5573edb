import type { Metadata } from '../domain/event.ts';
import { pingType, type RequestedDeliveries } from '../domain/webhook-delivery/events.ts';
import { storedTold } from '../domain/webhook-delivery/told.ts';
import type { AllocateDeliveryIds } from './allocate-delivery-ids.ts';
import type { requestWebhookDeliveries } from './request-webhook-deliveries.ts';

export interface TryWebhookPorts {
  readonly allocateDeliveryIds: AllocateDeliveryIds;
  readonly request: ReturnType<typeof requestWebhookDeliveries>;
  readonly newEventId: () => string;
  readonly now: () => Date;
  /** By which clients reach the registry. */
  readonly host: string;
}

export interface TryWebhookPolicy {
  readonly policyId: number;
  readonly name: string;
  readonly targets: number;
  /** Undefined of a policy for every project. */
  readonly project?: { readonly name: string; readonly projectId: number; readonly public: boolean };
  /** Who tries it, by name. */
  readonly operator: string;
}

/** Tells each target of a policy that it is tried, behind what waits for it. Resolves to the deliveries. */
export const tryWebhookPolicy =
  ({ allocateDeliveryIds, request, newEventId, now, host }: TryWebhookPorts) =>
  async (
    { policyId, name, targets, project, operator }: TryWebhookPolicy,
    metadata: Metadata,
  ): Promise<{ readonly deliveryIds: readonly number[]; readonly position: bigint }> => {
    const deliveryIds = await allocateDeliveryIds(targets, metadata);
    const eventId = newEventId();
    const occurredAt = now();
    const told = storedTold({
      notification: {
        ...{ eventType: pingType, eventId, position: 0n, occurredAt, operator },
        ...{ project: project?.name ?? '', artifacts: [] },
        details: `The webhook policy ${name} is tried`,
      },
      facts: {
        projectId: project?.projectId ?? 0,
        isPublic: project?.public ?? false,
        repositoryCreatedAt: undefined,
        host,
      },
    });
    const data: RequestedDeliveries = {
      ...{ sourceId: eventId, sourcePosition: null, eventType: pingType, told, repository: null },
      occurredAt: occurredAt.toISOString(),
      projectId: project?.projectId ?? null,
      project: project?.name ?? '',
      deliveries: deliveryIds.map((deliveryId, target) => ({ deliveryId, policyId, target })),
    };
    const position = await request([{ data, metadata }]);
    return { deliveryIds, position };
  };
