import type { DeliveriesRequest } from '../commands/request-webhook-deliveries.ts';
import type { Metadata, RecordedEvent } from '../domain/event.ts';
import { matches, type TellingPolicy } from '../domain/webhook/matching.ts';
import { type Notification, notificationOf } from '../domain/webhook/notification.ts';
import type { PayloadFacts } from '../domain/webhook/payload.ts';
import { storedTold } from '../domain/webhook-delivery/told.ts';
import type { Checkpoints } from '../infra/checkpoints/port.ts';
import type { FollowPorts } from './follow-log.ts';

export interface ToldPolicy extends TellingPolicy {
  readonly policyId: number;
  /** The position from which on it tells what happens. */
  readonly since: bigint;
  /** Since when it is as it is. */
  readonly updatedAt: Date;
  /** How many it has. */
  readonly targets: number;
}

export interface RequestWebhooksPorts {
  readonly checkpoints: Pick<Checkpoints, 'read' | 'write'>;
  head(): Promise<bigint>;
  /** The position of the last thing that was told to anybody. */
  lastTold(): Promise<bigint | undefined>;
  /** Those that are enabled. */
  policies(): Promise<readonly ToldPolicy[]>;
  settings(): Promise<{ readonly isEnabled: boolean; readonly robotPrefix: string }>;
  /** What there is to say of these projects, and of these repositories, by their names. */
  facts(
    projects: readonly string[],
    repositories: readonly string[],
  ): Promise<{
    readonly projects: ReadonlyMap<string, Pick<PayloadFacts, 'projectId' | 'isPublic'>>;
    readonly repositories: ReadonlyMap<string, Date>;
  }>;
  /** By which clients reach the registry. */
  readonly host: string;
  /** Resolves when all of that is as it was at the position. */
  shown(position: bigint): Promise<void>;
  allocateIds(count: number, metadata: Metadata): Promise<readonly number[]>;
  request(requests: readonly DeliveriesRequest[]): Promise<bigint>;
  /** Is told when something is to be delivered. */
  onRequested(position: bigint): Promise<void>;
}

export const webhookFollower = 'webhooks';
/** Up to where it was looked at before, perhaps, when the mark was lost. */
const lostMark = 'webhooks-lost';

/** What changes the policies that there are. */
const changing: ReadonlySet<string> = new Set([
  'WebhookPolicyCreated',
  'WebhookPolicyChanged',
  'WebhookPolicyDeleted',
  'ProjectDeleted',
]);

/** How often the mark is moved while nothing is told, in milliseconds. */
const markMs = 2000;
/** How many events are told together: each can have thousands of deliveries. */
const toldTogether = 50;

/**
 * Asks for the deliveries of what happens, each event and policy once. A policy counts that was there, and enabled, when it
 * happened, and still is when it is told.
 */
export function requestWebhooks(ports: RequestWebhooksPorts): Pick<FollowPorts, 'begin' | 'take'> {
  const { checkpoints } = ports;
  let policies: ReadonlyMap<number | null, readonly ToldPolicy[]> | undefined;
  /** What any of them tells. */
  let types: ReadonlySet<string> = new Set();
  let markedAt = 0;
  let lookedAtUpTo = 0n;

  /**
   * Who has lost the mark tells nothing of the past: only what comes after the last thing that was told, and of that only what
   * the policies told before it was lost.
   */
  async function begin(): Promise<bigint> {
    policies = undefined;
    const marked = await checkpoints.read(webhookFollower);
    lookedAtUpTo = (await checkpoints.read(lostMark)) ?? 0n;
    if (marked !== undefined) return marked;
    const head = await ports.head();
    await ports.shown(head);
    const position = (await ports.lastTold()) ?? head;
    await checkpoints.write(lostMark, head);
    lookedAtUpTo = head;
    await checkpoints.write(webhookFollower, position);
    return position;
  }

  async function take(events: readonly RecordedEvent[]): Promise<void> {
    const last = events.at(-1)?.position;
    if (last === undefined) return;
    if (policies === undefined || events.some(({ type }) => changing.has(type))) {
      await ports.shown(last);
      const all = await ports.policies();
      types = new Set(all.flatMap(({ eventTypes }) => eventTypes));
      policies = Map.groupBy(all, ({ projectId }) => projectId);
    }
    const requested = policies.size > 0 && (await tell(events, last, policies));
    if (!requested && performance.now() - markedAt < markMs) return;
    await checkpoints.write(webhookFollower, last);
    markedAt = performance.now();
  }

  /** Resolves to whether there was something to tell. */
  async function tell(
    events: readonly RecordedEvent[],
    last: bigint,
    told: NonNullable<typeof policies>,
  ): Promise<boolean> {
    // What its robots are called, and whether anything is told, is asked when there is something to tell.
    const candidates = events.filter((event) => {
      const type = notificationOf(event, { robotPrefix: '' })?.eventType;
      return type !== undefined && types.has(type);
    });
    if (candidates.length === 0) return false;
    await ports.shown(last);
    const { isEnabled, robotPrefix } = await ports.settings();
    if (!isEnabled) return false;
    const happened = candidates.flatMap((event) => {
      const notification = notificationOf(event, { robotPrefix });
      return notification === undefined ? [] : [{ event, notification }];
    });
    const facts = await ports.facts(
      [...new Set(happened.map(({ notification }) => notification.project))],
      [...new Set(happened.flatMap(({ notification }) => notification.repository ?? []))],
    );
    let requested: bigint | undefined;
    for (let from = 0; from < happened.length; from += toldTogether)
      requested = (await request(happened.slice(from, from + toldTogether), facts, told)) ?? requested;
    if (requested === undefined) return false;
    await ports.onRequested(requested);
    return true;
  }

  /** Resolves to the position of what was asked for; undefined where nobody is told. */
  async function request(
    happened: readonly Happened[],
    facts: Awaited<ReturnType<RequestWebhooksPorts['facts']>>,
    told: NonNullable<typeof policies>,
  ): Promise<bigint | undefined> {
    const all = happened.flatMap(({ event, notification }) => {
      // Of one that is gone by now only the policies for every project are left.
      const project = facts.projects.get(notification.project) ?? goneProject;
      const known = { ...notification, projectId: notification.projectId ?? project.projectId };
      const endpoints = [...(told.get(known.projectId) ?? []), ...(told.get(null) ?? [])]
        .filter((policy) => tells(policy, event) && matches(policy, known))
        .flatMap(({ policyId, targets }) =>
          Array.from({ length: targets }, (_, target) => ({ policyId, target })),
        );
      if (endpoints.length === 0) return [];
      const repositoryCreatedAt = facts.repositories.get(notification.repository ?? '');
      const payloadFacts = { ...project, projectId: known.projectId, repositoryCreatedAt, host: ports.host };
      return [{ event, notification: known, facts: payloadFacts, endpoints }];
    });
    if (all.length === 0) return undefined;
    const count = all.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
    const ids = (await ports.allocateIds(count, { actor: 'system' })).values();
    const requests = all.map(({ event, notification, facts: of, endpoints }) =>
      requestOf(
        event,
        notification,
        of,
        endpoints.map((endpoint) => ({ deliveryId: ids.next().value as number, ...endpoint })),
      ),
    );
    return ports.request(requests);
  }

  /** What was looked at before was so by the policy as it was then. */
  const tells = ({ since, updatedAt }: ToldPolicy, { position, recordedAt }: RecordedEvent): boolean =>
    since < position && (position > lookedAtUpTo || updatedAt < recordedAt);

  return { begin, take };
}

interface Happened {
  readonly event: RecordedEvent;
  readonly notification: Notification;
}

/** Numbers of projects begin at 1. */
const goneProject = { projectId: 0, isPublic: false };

function requestOf(
  { metadata }: RecordedEvent,
  notification: Notification,
  facts: PayloadFacts,
  deliveries: DeliveriesRequest['data']['deliveries'],
): DeliveriesRequest {
  const { correlationId, traceparent } = metadata;
  return {
    data: {
      sourceId: notification.eventId,
      sourcePosition: String(notification.position),
      eventType: notification.eventType,
      occurredAt: notification.occurredAt.toISOString(),
      projectId: facts.projectId === goneProject.projectId ? null : facts.projectId,
      project: notification.project,
      repository: notification.repository ?? null,
      told: storedTold({ notification, facts }),
      deliveries,
    },
    metadata: {
      actor: 'system',
      causationId: notification.eventId,
      ...(correlationId !== undefined && { correlationId }),
      ...(traceparent !== undefined && { traceparent }),
    },
  };
}
