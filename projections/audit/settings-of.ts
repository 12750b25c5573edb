import type { Settings } from '../../domain/audit/entry.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { AuditedEvent } from './act.ts';

/**
 * What of an event is told as before and after: either both stand in it, or it says what something is from now on, whose
 * value before is what the last event about it has said.
 */
export type Difference =
  | { readonly kind: 'told'; readonly before: Settings | null; readonly after: Settings | null }
  | {
      readonly kind: 'kept';
      /** What it is about. */
      readonly key: string;
      /** Null where there is no such thing any more. */
      readonly value: Settings | null;
      /** Whether `value` has only what is changed. */
      readonly isPart?: true;
    };

const kept = (key: string, value: Settings | null): Difference => ({ kind: 'kept', key, value });
const told = (before: Settings | null, after: Settings | null): Difference => ({
  ...{ kind: 'told', before, after },
});

/** Undefined where there is nothing to say. No secret is among it, and nothing that is sealed. */
export function differenceOf(event: RecordedEvent<AuditedEvent>): Difference | undefined {
  switch (event.type) {
    case 'ArtifactPulled':
      return event.data.times === undefined ? undefined : told(null, { times: event.data.times });
    case 'TagAssigned':
      return told(null, { digest: event.data.digest });
    case 'TagMoved':
      return told({ digest: event.data.from }, { digest: event.data.digest });
    case 'TagRemoved':
      return told({ digest: event.data.digest }, null);
    case 'RepositoryDescribed':
      return kept(`repository/${event.data.repositoryId}`, { description: event.data.description });
    case 'ProjectCreated':
      return kept(`project/${event.data.projectId}`, { public: event.data.public });
    case 'ProjectMetadataChanged':
      return kept(`project/${event.data.projectId}`, { public: event.data.public, ...event.data.metadata });
    case 'ProjectDeleted':
      return kept(`project/${event.data.projectId}`, null);
    case 'ProjectCveAllowlistChanged':
    case 'SystemCveAllowlistChanged': {
      const of = event.type === 'SystemCveAllowlistChanged' ? 'system' : event.data.projectId;
      return kept(`cve-allowlist/${of}`, {
        cve_ids: event.data.cveIds,
        expires_at: event.data.expiresAt,
      });
    }
    case 'QuotaSet':
      return kept(`quota/${event.data.projectId}`, { storage: event.data.storage });
    case 'QuotaExceeded': {
      const { adding, used, storage, digest } = event.data;
      return told(null, { adding, used, storage, digest });
    }
    case 'MemberAdded':
    case 'MemberRoleChanged':
      return kept(`member/${event.data.memberId}`, { role: event.data.role });
    case 'MemberRemoved':
      return kept(`member/${event.data.memberId}`, null);
    case 'RobotCreated':
    case 'RobotChanged': {
      const { description, disabled, durationDays, expiresAt, permissions } = event.data;
      return kept(`robot/${event.data.robotId}`, {
        ...{ description, disabled, permissions },
        ...{ duration_days: durationDays, expires_at: expiresAt },
      });
    }
    case 'RobotDeleted':
      return kept(`robot/${event.data.robotId}`, null);
    case 'RobotSecretChanged':
      return told(null, { previous_valid_until: event.data.previous?.validUntil ?? null });
    case 'UserCreated':
    case 'UserAdministratorChanged':
      return kept(`user/${event.data.userId}`, { administrator: event.data.administrator });
    case 'UserDeleted':
      return kept(`user/${event.data.userId}`, null);
    case 'UserGroupCreated':
      return told(null, { name: event.data.name, dn: event.data.dn });
    case 'UserGroupRenamed':
      return told({ name: event.data.from }, { name: event.data.name });
    case 'AccessTokenCreated': {
      const { name, permissions, expiresAt } = event.data;
      return kept(`access-token/${event.data.tokenId}`, { name, permissions, expires_at: expiresAt });
    }
    case 'AccessTokenRevoked':
      return kept(`access-token/${event.data.tokenId}`, null);
    case 'LabelCreated':
    case 'LabelChanged': {
      const { name, description, color } = event.data;
      return kept(`label/${event.data.labelId}`, { name, description, color });
    }
    case 'LabelDeleted':
      return kept(`label/${event.data.labelId}`, null);
    case 'ImmutableRuleCreated':
    case 'ImmutableRuleChanged': {
      const { isDisabled, repositories, tags, forbids, accessoryTags } = event.data;
      return kept(`immutable-rule/${event.data.ruleId}`, {
        ...{ disabled: isDisabled, repositories, tags, forbids, accessory_tags: accessoryTags },
      });
    }
    case 'ImmutableRuleDeleted':
      return kept(`immutable-rule/${event.data.ruleId}`, null);
    case 'RetentionPolicyCreated':
    case 'RetentionPolicyChanged':
      return kept(`retention/${event.data.policyId}`, { rules: event.data.rules, cron: event.data.cron });
    case 'RetentionPolicyDeleted':
      return kept(`retention/${event.data.policyId}`, null);
    case 'WebhookPolicyCreated':
    case 'WebhookPolicyChanged': {
      const { name, description, eventTypes, isEnabled, targets, filters } = event.data;
      return kept(`webhook/${event.data.policyId}`, {
        ...{ name, description, event_types: eventTypes, enabled: isEnabled, filters },
        // Where it is told is a secret.
        targets: targets.map(({ type, skipCertVerify, payloadFormat }) => ({
          ...{ type, skip_cert_verify: skipCertVerify, payload_format: payloadFormat },
        })),
      });
    }
    case 'WebhookPolicyDeleted':
      return kept(`webhook/${event.data.policyId}`, null);
    case 'WebhookPolicyPaused':
      return told(null, { target: event.data.target, reason: event.data.reason });
    case 'WebhookPolicyResumed':
      return told(null, { from: event.data.from });
    case 'WebhookRedeliveryRequested':
      return told(null, { deliveries: event.data.deliveryIds });
    case 'ConfigurationChanged': {
      const { items, sealed } = event.data;
      const secrets = Object.keys(sealed).map((name) => [name, 'a secret']);
      return {
        ...kept('configuration', { ...items, ...Object.fromEntries(secrets) }),
        isPart: true,
      } as Difference;
    }
    case 'AuditSettingsPinned':
      return kept('pinned-audit-settings', event.data.items);
    case 'ScheduleSet': {
      const { type, cron, parameters } = event.data;
      return kept(`schedule/${event.data.scheduleId}`, { type, cron, parameters });
    }
    case 'ScheduleRemoved':
      return kept(`schedule/${event.data.scheduleId}`, null);
    case 'ExecutionStarted':
      return told(null, { trigger: event.data.trigger, parameters: event.data.parameters });
    case 'GarbageCollectionFinished': {
      const { run: _, durationMs, ...counts } = event.data;
      return told(null, { ...counts, duration_ms: durationMs });
    }
    default:
      return undefined;
  }
}

/** Of two states of one thing, what is not the same in both; of a thing that is new or gone, all. */
export function changedParts(
  before: Settings | null,
  after: Settings | null,
): { readonly before: Settings | null; readonly after: Settings | null } {
  if (before === null || after === null) return { before, after };
  const changed = new Set(
    [...Object.keys(before), ...Object.keys(after)].filter(
      (name) => written(before[name]) !== written(after[name]),
    ),
  );
  const only = (all: Settings): Settings =>
    Object.fromEntries(Object.entries(all).filter(([name]) => changed.has(name)));
  return { before: only(before), after: only(after) };
}

/** The same for values that are the same, though the database has put the names within them in another order. */
const written = (value: unknown): string =>
  JSON.stringify(value, (_, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  ) ?? 'nothing';
