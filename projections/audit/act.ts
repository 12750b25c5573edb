import { jobService } from '../../domain/access/principal.ts';
import type { AccessTokenEvent } from '../../domain/access-token/events.ts';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import { addressIn } from '../../domain/audit/address.ts';
import type { ActorKind, AuditEntry } from '../../domain/audit/entry.ts';
import type { AuditSettingsEvent } from '../../domain/audit/events.ts';
import { inWords, type OwnOperation, resourceTypeOf } from '../../domain/audit/operations.ts';
import type { BlobEvent } from '../../domain/blob/events.ts';
import type { SystemCveAllowlistEvent } from '../../domain/cve-allowlist/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ExecutionEvent } from '../../domain/execution/events.ts';
import type { GarbageCollectionEvent } from '../../domain/garbage-collection/events.ts';
import type { ImmutabilityEvent } from '../../domain/immutability/events.ts';
import type { LabelEvent } from '../../domain/label/events.ts';
import type { PreferencesEvent } from '../../domain/preferences/events.ts';
import type { QueueEvent } from '../../domain/queue/events.ts';
import type { QuotaEvent, QuotaRefusalEvent } from '../../domain/quota/events.ts';
import type { RepositoryEvent } from '../../domain/repository/events.ts';
import { projectOf } from '../../domain/repository.ts';
import type { RetentionEvent } from '../../domain/retention/events.ts';
import type { RobotEvent } from '../../domain/robot/events.ts';
import type { ScheduleEvent } from '../../domain/schedule/events.ts';
import type { TaskEvent } from '../../domain/task/events.ts';
import type { TokenKeyEvent } from '../../domain/token-key/events.ts';
import { pseudonymOf } from '../../domain/user/pseudonym.ts';
import type { UserGroupEvent } from '../../domain/user-group/events.ts';
import type { WebhookEvent } from '../../domain/webhook/events.ts';
import type { RedeliveryEvent, WebhookPauseEvent } from '../../domain/webhook-delivery/events.ts';
import { entryOf, type ToldEvent } from './entry.ts';

/** All that the audit log tells of: what Harbor does, and what else changes anything. */
export type AuditedEvent =
  | ToldEvent
  | AccessTokenEvent
  | Extract<ArtifactEvent, { type: 'ManifestDamaged' | 'LabelAttached' | 'LabelDetached' }>
  | AuditSettingsEvent
  | Extract<BlobEvent, { type: 'BlobUnlinked' | 'BlobDamaged' }>
  | Extract<ExecutionEvent, { type: 'ExecutionStarted' | 'ExecutionStopRequested' }>
  | Extract<GarbageCollectionEvent, { type: 'GarbageCollectionFinished' }>
  | ImmutabilityEvent
  | LabelEvent
  | PreferencesEvent
  | QueueEvent
  | Extract<QuotaEvent, { type: 'QuotaSet' }>
  | QuotaRefusalEvent
  | RepositoryEvent
  | RetentionEvent
  | RobotEvent
  | Extract<ScheduleEvent, { type: 'ScheduleSet' | 'ScheduleRemoved' }>
  | SystemCveAllowlistEvent
  | Extract<TaskEvent, { type: 'TaskStopRequested' }>
  | TokenKeyEvent
  | UserGroupEvent
  | WebhookEvent
  | WebhookPauseEvent
  | RedeliveryEvent;

/** What an event is told as where Harbor has no row for it, or has one for something greater that it is a part of. */
export interface Act {
  readonly operation: OwnOperation;
  readonly resource: string;
  /** The project's number, or the name that it has at this time; neither for what is of no project. */
  readonly project?: string;
  readonly projectId?: number;
  readonly failed?: true;
}

type ActOf = {
  readonly [Type in AuditedEvent['type']]: (
    data: Extract<AuditedEvent, { type: Type }>['data'],
    actor: string,
  ) => Act | undefined;
};

const inRepository = (
  operation: OwnOperation,
  {
    repository,
    digest,
    tag,
  }: { readonly repository: string; readonly digest?: string; readonly tag?: string },
): Act => ({
  operation,
  resource: tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`,
  project: projectOf(repository),
});

/** @param data of what is of a project by its number, or, where that is null, of none */
const inProject = (
  operation: OwnOperation,
  resource: string,
  { projectId }: { readonly projectId: number | null },
): Act => ({ operation, resource, ...(projectId !== null && { projectId }) });

/** A robot of a project has its name before its own. */
const ofRobot = (operation: OwnOperation, name: string): Act => {
  const [project, own] = name.split('+', 2);
  return {
    ...{ operation, resource: name },
    ...(project !== undefined && own !== undefined && { project }),
  };
};

const actsBy: ActOf = {
  ManifestPushed: (data) => inRepository('push_manifest', data),
  ManifestDeleted: (data) => inRepository('remove_manifest', data),
  ManifestDamaged: (data) => inRepository('damage_manifest', data),
  LabelAttached: (data) => inRepository('attach_label', data),
  LabelDetached: (data) => inRepository('detach_label', data),
  // Who has read it is always told as Harbor does.
  ArtifactPulled: () => undefined,
  TagAssigned: (data) => inRepository('assign_tag', data),
  TagMoved: (data) => inRepository('move_tag', data),
  TagRemoved: (data) => inRepository('remove_tag', data),
  // What goes because nothing needs it is a part of the collection.
  BlobUnlinked: (data, actor) => (actor === 'system' ? undefined : inRepository('delete_blob', data)),
  BlobDamaged: ({ digest }) => ({ operation: 'damage_blob', resource: digest }),
  RepositoryDescribed: ({ repository }) => ({
    ...{ operation: 'update_repository', resource: repository, project: projectOf(repository) },
  }),
  RepositoryDeleted: ({ repository }) => ({
    ...{ operation: 'remove_repository', resource: repository, project: projectOf(repository) },
  }),
  ProjectCreated: (data) => inProject('add_project', data.name, data),
  ProjectMetadataChanged: (data) => inProject('set_project_metadata', data.name, data),
  ProjectCveAllowlistChanged: (data) => inProject('set_project_cve_allowlist', data.name, data),
  ProjectDeleted: (data) => inProject('remove_project', data.name, data),
  QuotaSet: (data) => inProject('set_quota', data.project, data),
  QuotaExceeded: (data) => ({ ...inProject('exceed_quota', data.repository, data), failed: true }),
  MemberAdded: (data) => inProject('add_member', data.entityName, data),
  MemberRoleChanged: (data) => inProject('change_member', data.entityName, data),
  MemberRemoved: (data) => inProject('remove_member', data.entityName, data),
  RobotCreated: ({ name }) => ofRobot('add_robot', name),
  RobotChanged: ({ name }) => ofRobot('update_robot', name),
  RobotSecretChanged: ({ name }) => ofRobot('update_robot_secret', name),
  RobotPreviousSecretEnded: ({ name }) => ofRobot('end_robot_secret', name),
  RobotDeleted: ({ name }) => ofRobot('remove_robot', name),
  // Those of users are told as Harbor does.
  LoginSucceeded: ({ username }) => ofRobot('login_robot', username),
  LoginFailed: ({ username }) => ({ ...ofRobot('login_robot', username), failed: true }),
  LoggedOut: ({ username }) => ofRobot('logout_robot', username),
  UserCreated: ({ username }) => ({ operation: 'add_user', resource: username }),
  UserProfileChanged: ({ username }) => ({ operation: 'change_user', resource: username }),
  UserPasswordChanged: ({ username }) => ({ operation: 'change_user', resource: username }),
  UserAdministratorChanged: ({ username }) => ({ operation: 'change_user', resource: username }),
  UserDeleted: ({ username }) => ({ operation: 'remove_user', resource: username }),
  UserErased: ({ userId }) => ({ operation: 'erase_user', resource: pseudonymOf(userId) }),
  PreferencesChanged: ({ userId }) => ({ operation: 'update_preferences', resource: String(userId) }),
  AccessTokenCreated: ({ tokenId }) => ({ operation: 'create_access_token', resource: String(tokenId) }),
  AccessTokenRevoked: ({ tokenId }) => ({ operation: 'revoke_access_token', resource: String(tokenId) }),
  UserGroupCreated: ({ name }) => ({ operation: 'create_user_group', resource: name }),
  UserGroupRenamed: ({ name }) => ({ operation: 'update_user_group', resource: name }),
  UserGroupDeleted: ({ name }) => ({ operation: 'delete_user_group', resource: name }),
  LabelCreated: (data) => inProject('create_label', data.name, data),
  LabelChanged: (data) => inProject('update_label', data.name, data),
  LabelDeleted: (data) => inProject('delete_label', data.name, data),
  ImmutableRuleCreated: (data) => inProject('create_immutable_rule', String(data.ruleId), data),
  ImmutableRuleChanged: (data) => inProject('update_immutable_rule', String(data.ruleId), data),
  ImmutableRuleDeleted: (data) => inProject('delete_immutable_rule', String(data.ruleId), data),
  RetentionPolicyCreated: (data) => inProject('create_retention', String(data.policyId), data),
  RetentionPolicyChanged: (data) => inProject('update_retention', String(data.policyId), data),
  RetentionPolicyDeleted: (data) => inProject('delete_retention', String(data.policyId), data),
  WebhookPolicyCreated: (data) => inProject('create_webhook', data.name, data),
  WebhookPolicyChanged: (data) => inProject('update_webhook', data.name, data),
  WebhookPolicyDeleted: (data) => inProject('delete_webhook', data.name, data),
  WebhookSecretChanged: (data) => inProject('update_webhook_secret', data.name, data),
  WebhookSecretRemoved: (data) => inProject('delete_webhook_secret', data.name, data),
  ConfigurationChanged: () => ({ operation: 'change_configuration', resource: 'configuration' }),
  AuditSettingsPinned: () => ({ operation: 'pin_audit_settings', resource: 'configuration' }),
  SystemCveAllowlistChanged: () => ({ operation: 'update_cve_allowlist', resource: 'system' }),
  SigningKeyCreated: ({ kid }) => ({ operation: 'create_signing_key', resource: kid }),
  SigningKeyRetired: ({ kid }) => ({ operation: 'retire_signing_key', resource: kid }),
  // What an event has led to would be told once more.
  ExecutionStarted: ({ trigger, kind, executionId }) =>
    trigger === 'EVENT' ? undefined : { operation: 'start_execution', resource: `${kind}/${executionId}` },
  ExecutionStopRequested: ({ kind, executionId }) => ({
    ...{ operation: 'stop_execution', resource: `${kind}/${executionId}` },
  }),
  TaskStopRequested: ({ executionId, taskId }) => ({
    ...{ operation: 'stop_task', resource: `${executionId}/${taskId}` },
  }),
  GarbageCollectionFinished: ({ run, status }) => ({
    ...{ operation: 'collect_garbage', resource: run },
    ...(status === 'failed' && { failed: true }),
  }),
  ScheduleSet: ({ kind, vendorId }) => ({ operation: 'set_schedule', resource: `${kind}/${vendorId}` }),
  ScheduleRemoved: ({ kind, vendorId }) => ({
    operation: 'remove_schedule',
    resource: `${kind}/${vendorId}`,
  }),
  WebhookPolicyPaused: (data) => inProject('pause_webhook', data.name, data),
  WebhookPolicyResumed: (data) => inProject('resume_webhook', data.name, data),
  WebhookRedeliveryRequested: ({ deliveryIds }) => ({
    operation: 'redeliver_webhook',
    resource: `${deliveryIds.length} deliveries`,
  }),
  QueuePaused: ({ kind }) => ({ operation: 'pause_queue', resource: kind }),
  QueueResumed: ({ kind }) => ({ operation: 'resume_queue', resource: kind }),
  // Told as Harbor does, in any case.
  ChangeRefused: () => undefined,
};

/** The types of all events that are told. */
export const auditedTypes = Object.keys(actsBy) as readonly AuditedEvent['type'][];

/** Undefined for what is told as Harbor does, or as a part of something else alone. */
export const actOf = ({ type, data, metadata }: RecordedEvent<AuditedEvent>): Act | undefined =>
  actsBy[type](data as never, metadata.actor);

/** What is told of an event, but for what follows from others: the number of its project, and before and after. */
export type Told = Omit<AuditEntry, 'before' | 'after' | 'projectId'> & {
  readonly project?: string;
  readonly projectId?: number;
};

/** Undefined for what is not told. */
export function tell(event: RecordedEvent<AuditedEvent>): Told | undefined {
  const { metadata } = event;
  const entry = isHarbors(event) ? entryOf(event) : undefined;
  const act = entry ?? actOf(event);
  if (act === undefined) return undefined;
  const operation = 'operation' in act ? act.operation : act.type;
  const { resource, project, projectId } = act;
  return {
    position: String(event.position),
    eventId: event.id,
    at: event.type === 'ArtifactPulled' ? new Date(event.data.pulledAt) : event.recordedAt,
    ...{ operation, resource, resourceType: resourceTypeOf(operation) },
    description: entry?.description ?? inWords(operation),
    ...whoDid(event),
    accessToken: metadata.accessToken ?? null,
    address: addressIn(metadata.clientIp),
    userAgent: metadata.userAgent ?? null,
    succeeded: act.failed !== true,
    reason: metadata.reason ?? null,
    correlationId: metadata.correlationId ?? null,
    requestId: metadata.requestId ?? null,
    ...(project !== undefined && { project }),
    ...(projectId !== undefined && { projectId }),
  };
}

/** Logins do not name an actor: it is who they are about. */
function whoDid({ type, data, metadata: { actor } }: RecordedEvent<AuditedEvent>): {
  readonly actor: string;
  readonly actorKind: ActorKind;
} {
  if (type === 'LoginSucceeded' || type === 'LoginFailed' || type === 'LoggedOut')
    return { actor: data.username, actorKind: data.kind };
  if (actor === 'system') return { actor: jobService, actorKind: 'system' };
  if (actor === 'anonymous') return { actor, actorKind: 'anonymous' };
  const actorKind = actor.startsWith('robot:') ? 'robot' : 'user';
  return { actor: actor.replace(/^(?:user|robot):/, ''), actorKind };
}

const harbors = {
  ManifestPushed: true,
  ManifestDeleted: true,
  ArtifactPulled: true,
  TagAssigned: true,
  TagMoved: true,
  TagRemoved: true,
  RepositoryDeleted: true,
  ProjectCreated: true,
  ProjectMetadataChanged: true,
  ProjectCveAllowlistChanged: true,
  ProjectDeleted: true,
  MemberAdded: true,
  MemberRoleChanged: true,
  MemberRemoved: true,
  RobotCreated: true,
  RobotDeleted: true,
  UserCreated: true,
  UserDeleted: true,
  UserErased: true,
  UserProfileChanged: true,
  UserPasswordChanged: true,
  UserAdministratorChanged: true,
  ConfigurationChanged: true,
  LoginSucceeded: true,
  LoginFailed: true,
  LoggedOut: true,
  ChangeRefused: true,
} satisfies Readonly<Record<ToldEvent['type'], true>>;
const isHarbors = (event: RecordedEvent<AuditedEvent>): event is RecordedEvent<ToldEvent> =>
  Object.hasOwn(harbors, event.type);
