import type { z } from 'zod';
import { accessTokenEvent } from './access-token/events.ts';
import { artifactEvent } from './artifact/events.ts';
import {
  auditLogPurgedUpcasters,
  auditPurgeEvent,
  auditSettingsEvent,
  auditSettingsStream,
  refusedChangeEvent,
} from './audit/events.ts';
import { blobEvent } from './blob/events.ts';
import { configurationEvent, configurationStream } from './configuration/events.ts';
import { credentialUseEvent } from './credential-use/events.ts';
import { systemCveAllowlistEvent, systemCveAllowlistStream } from './cve-allowlist/events.ts';
import { emailEvent } from './email/events.ts';
import type { RecordedEvent } from './event.ts';
import { executionEvent } from './execution/events.ts';
import { executionSweepEvent } from './execution-sweep/events.ts';
import { garbageCollectionEvent } from './garbage-collection/events.ts';
import { idsEvent } from './ids/events.ts';
import { immutabilityEvent } from './immutability/events.ts';
import { labelEvent } from './label/events.ts';
import { loginEvent } from './login/events.ts';
import { memberEvent, memberUpcasters } from './member/events.ts';
import { preferencesEvent } from './preferences/events.ts';
import { projectCreatedUpcasters, projectEvent } from './project/events.ts';
import { pullEvent } from './pull/events.ts';
import { queueEvent } from './queue/events.ts';
import { quotaEvent, quotaExceededUpcasters, quotaRefusalEvent } from './quota/events.ts';
import { refreshTokenEvent } from './refresh-token/events.ts';
import { repositoryEvent } from './repository/events.ts';
import { retentionEvent } from './retention/events.ts';
import { retentionRunEvent } from './retention/run-events.ts';
import { robotEvent, robotSecretChangedUpcasters } from './robot/events.ts';
import { scheduleEvent } from './schedule/events.ts';
import { tagEvent } from './tag/events.ts';
import { taskEvent } from './task/events.ts';
import { tokenKeyEvent, tokenKeysStream } from './token-key/events.ts';
import { userCreatedUpcasters, userEvent } from './user/events.ts';
import { userErasureEvent } from './user-erasure/events.ts';
import { userGroupEvent } from './user-group/events.ts';
import { userGroupKeyEvent } from './user-group-key/events.ts';
import { webhookEvent, webhookUpcasters } from './webhook/events.ts';
import {
  deliveriesSweepEvent,
  deliveryEvent,
  notificationEvent,
  redeliveryEvent,
  webhookPauseEvent,
} from './webhook-delivery/events.ts';

/** Brings the data of one version of an event to the next version. */
export type Upcaster = (data: Record<string, unknown>) => Record<string, unknown>;

export interface CataloguedEvent {
  readonly type: string;
  /** The name pattern of the streams that hold it. */
  readonly stream: string;
  readonly description: string;
  readonly schema: z.ZodType<object>;
  /** The n-th brings version n to n + 1; an event's version is their number plus one. */
  readonly upcasters: readonly Upcaster[];
}

export type Catalogue = ReadonlyMap<string, CataloguedEvent>;

/**
 * What brings stored events up to date, by type. A released schema is never changed: a new shape comes with an
 * upcaster here and a stored sample of the new version.
 */
const upcasters: Readonly<Record<string, readonly Upcaster[]>> = {
  ManifestPushed: [
    // Manifests of unknown types were refused before version 2.
    (data) => ({ ...data, mentions: [] }),
    // Nobody read the config before version 3.
    (data) => ({ ...data, attributes: {} }),
    // Whether a tag comes with it was not recorded before version 4.
    (data) => data,
  ],
  AuditLogPurged: auditLogPurgedUpcasters,
  // Nor before version 2 which tags went with it.
  ManifestDeleted: [(data) => data],
  MemberAdded: memberUpcasters,
  MemberRoleChanged: memberUpcasters,
  MemberRemoved: memberUpcasters,
  ProjectCreated: projectCreatedUpcasters,
  QuotaExceeded: quotaExceededUpcasters,
  RobotSecretChanged: robotSecretChangedUpcasters,
  UserCreated: userCreatedUpcasters,
  ...webhookUpcasters,
};

const aggregates = [
  { stream: 'project/<name>', events: projectEvent.options },
  { stream: 'user/#<keyed hash of the name>', events: userEvent.options },
  { stream: 'user-erasure/<user id>', events: userErasureEvent.options },
  { stream: 'email/<keyed hash>', events: emailEvent.options },
  { stream: 'user-group/<id>', events: userGroupEvent.options },
  { stream: 'user-group-key/<type>/<name>', events: userGroupKeyEvent.options },
  { stream: 'member/<project id>/<user id or group-id>', events: memberEvent.options },
  { stream: 'robot/<name>', events: robotEvent.options },
  { stream: 'labels/<project id or system>', events: labelEvent.options },
  { stream: 'immutability/<project id>', events: immutabilityEvent.options },
  { stream: 'webhooks/<project id or system>', events: webhookEvent.options },
  { stream: 'webhook-notification/<event id>', events: notificationEvent.options },
  { stream: 'webhook-delivery/<id>', events: deliveryEvent.options },
  { stream: 'webhook-redelivery/<run>', events: redeliveryEvent.options },
  { stream: 'webhook-pause/<policy id>', events: webhookPauseEvent.options },
  { stream: 'webhook-sweep/<day>', events: deliveriesSweepEvent.options },
  { stream: 'retention/<policy id>', events: retentionEvent.options },
  { stream: 'retention-run/<task id>', events: retentionRunEvent.options },
  { stream: 'access-tokens/<user id>', events: accessTokenEvent.options },
  { stream: 'credential-uses/<day>', events: credentialUseEvent.options },
  { stream: 'preferences/<user id>', events: preferencesEvent.options },
  { stream: 'ids/<kind>', events: idsEvent.options },
  { stream: 'blob/<digest>', events: blobEvent.options },
  { stream: 'artifact/<repository>@<digest>', events: artifactEvent.options },
  { stream: 'tag/<repository>:<tag>', events: tagEvent.options },
  { stream: systemCveAllowlistStream, events: systemCveAllowlistEvent.options },
  { stream: 'repository/<name>', events: repositoryEvent.options },
  { stream: configurationStream, events: configurationEvent.options },
  { stream: tokenKeysStream, events: tokenKeyEvent.options },
  { stream: 'refresh-token/<hash>', events: refreshTokenEvent.options },
  { stream: 'logins/<day>', events: loginEvent.options },
  { stream: 'pulls/<day>', events: pullEvent.options },
  { stream: 'refused-changes/<day>', events: refusedChangeEvent.options },
  { stream: 'audit-purge/<run>', events: auditPurgeEvent.options },
  { stream: auditSettingsStream, events: auditSettingsEvent.options },
  { stream: 'quota/<project id>', events: quotaEvent.options },
  { stream: 'quota-refusals/<project id>', events: quotaRefusalEvent.options },
  { stream: 'gc-run/<id>', events: garbageCollectionEvent.options },
  { stream: 'execution/<id>', events: executionEvent.options },
  { stream: 'task/<id>', events: taskEvent.options },
  { stream: 'execution-sweep/<task id>', events: executionSweepEvent.options },
  { stream: 'schedule/<kind>/<vendor id>', events: scheduleEvent.options },
  { stream: 'queue/<kind>', events: queueEvent.options },
] as const;

/** An event of any type, in its current version. */
export type AnyEvent = z.infer<(typeof aggregates)[number]['events'][number]>;

/** Every type of event that Shiplog has ever recorded. */
export const catalogue: Catalogue = new Map(
  aggregates.flatMap(({ stream, events }) =>
    events.map((event): [string, CataloguedEvent] => {
      const type = event.shape.type.value;
      const { description = '' } = event.meta() ?? {};
      return [
        type,
        { type, stream, description, schema: event.shape.data, upcasters: upcasters[type] ?? [] },
      ];
    }),
  ),
);

/** The version that new events of `type` get. @throws Error for a type that is not in the catalogue. */
export function currentVersion(of: Catalogue, type: string): number {
  return entryOf(of, type).upcasters.length + 1;
}

/**
 * The event with its data in the current version of its type's schema.
 * @throws Error for an unknown type or a version from the future: a reader that skipped it would lie.
 */
export function upcast(of: Catalogue, event: RecordedEvent): RecordedEvent {
  const { upcasters } = entryOf(of, event.type);
  const current = upcasters.length + 1;
  if (event.version === current) return event;
  if (event.version > current) {
    throw new Error(
      `${event.type} at position ${event.position} has version ${event.version}, newer than ${current}`,
    );
  }
  const data = upcasters
    .slice(event.version - 1)
    .reduce((older, upcaster) => upcaster(older), event.data as Record<string, unknown>);
  return { ...event, version: current, data };
}

function entryOf(of: Catalogue, type: string): CataloguedEvent {
  const entry = of.get(type);
  if (entry === undefined) throw new Error(`the event type ${type} is not in the catalogue`);
  return entry;
}
