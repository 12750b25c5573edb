import { z } from 'zod';
import { pseudonymOf } from '../user/pseudonym.ts';
import { notifyTypes, payloadFormats } from '../webhook/events.ts';
import type { Published } from './publication.ts';
import { publishedWork } from './published-work.ts';

const at = ['repository', 'digest'] as const;
const tagAt = ['repository', 'tag', 'digest'] as const;
const label = ['labelId', 'project', 'projectId', 'name'] as const;
const rule = ['ruleId', 'project', 'projectId'] as const;
const policy = ['policyId', 'project', 'projectId'] as const;
const member = ['memberId', 'project', 'projectId', 'entityType', 'entityId', 'entityName'] as const;
const robot = ['name', 'robotId'] as const;
const robotSettings = ['description', 'disabled', 'durationDays', 'expiresAt', 'permissions'] as const;
const user = ['username', 'userId'] as const;
const group = ['groupId', 'groupType', 'name'] as const;
const quota = ['project', 'projectId', 'storage'] as const;

const byName = ({ name }: { readonly name: string }) => name;
const byUsername = ({ username }: { readonly username: string }) => username;
const named = {
  place: ({ name }: { readonly name: string }) => ({ project: name }),
};
/** A robot of a project has its name before its own. */
const robotAt = {
  place: ({ name }: { readonly name: string }) => ({
    project: name.includes('+') ? name.slice(0, name.indexOf('+')) : null,
  }),
  subject: byName,
};
const byKey = { subject: ({ kid }: { readonly kid: string }) => kid };
const refused = { result: () => 'refused' as const };
const failed = { result: () => 'failed' as const };

/** The address and the header of a target are secrets. */
const targets = {
  shape: {
    targets: z
      .array(
        z.object({
          type: z.enum(notifyTypes),
          skipCertVerify: z.boolean(),
          payloadFormat: z.enum(payloadFormats).nullable(),
        }),
      )
      .describe('How it is told; where, is a secret'),
  },
  of: (data: {
    readonly targets: readonly {
      readonly type: string;
      readonly skipCertVerify: boolean;
      readonly payloadFormat: string | null;
    }[];
  }) => ({
    targets: data.targets.map(({ type, skipCertVerify, payloadFormat }) => ({
      type,
      skipCertVerify,
      payloadFormat,
    })),
  }),
};

const bytes: { readonly private: string } = {
  private: 'Where bytes are kept is nobody else’s concern: artifact events tell what can be pulled.',
};
const intention: { readonly private: string } = {
  private: 'What the collector of garbage intends may never be done; what it does is told.',
};
const reservation: { readonly private: string } = {
  private: 'Keeps a name or an address unique; the event of who has it is told.',
};
const ownAffair: { readonly private: string } = { private: 'Is the user’s own affair.' };
const telling: { readonly private: string } = {
  private: 'Tells again what is told already; the ledger of webhooks shows what came of it.',
};
const sessions: { readonly private: string } = {
  private: 'Belongs to a session of a client; that somebody has logged in is told.',
};

/**
 * What the outside is told of each type of event. Whoever adds a type decides it here; what is released stays as it is,
 * since others have written programs against it.
 */
export const published: Published = {
  ProjectCreated: {
    type: 'project.created',
    need: 'log',
    ...named,
    fields: projectFields('public', 'owner', 'storageLimit'),
  },
  ProjectMetadataChanged: {
    type: 'project.changed',
    need: 'log',
    ...named,
    fields: projectFields('public', 'metadata'),
  },
  ProjectCveAllowlistChanged: {
    type: 'project.cve-allowlist.changed',
    need: 'log',
    ...named,
    fields: projectFields('cveIds', 'expiresAt'),
  },
  ProjectDeleted: { type: 'project.deleted', need: 'log', ...named, fields: projectFields() },

  UserCreated: {
    type: 'user.created',
    need: 'system',
    fields: [...user, 'administrator'],
    subject: byUsername,
  },
  UserProfileChanged: { type: 'user.profile.changed', need: 'system', fields: user, subject: byUsername },
  UserPasswordChanged: { type: 'user.password.changed', need: 'system', fields: user, subject: byUsername },
  UserAdministratorChanged: {
    type: 'user.administrator.changed',
    need: 'system',
    fields: [...user, 'administrator'],
    subject: byUsername,
  },
  UserDeleted: { type: 'user.deleted', need: 'system', fields: user, subject: byUsername },
  // Who has kept what he was told of the user learns of it here.
  UserErased: {
    type: 'user.erased',
    need: 'system',
    fields: ['userId'],
    subject: ({ userId }) => pseudonymOf(userId),
  },
  EmailReserved: reservation,
  EmailReleased: reservation,

  UserGroupCreated: { type: 'group.created', need: 'system', fields: group, subject: byName },
  UserGroupRenamed: { type: 'group.renamed', need: 'system', fields: [...group, 'from'], subject: byName },
  UserGroupDeleted: { type: 'group.deleted', need: 'system', fields: group, subject: byName },
  UserGroupKeyReserved: reservation,
  UserGroupKeyReleased: reservation,

  MemberAdded: { type: 'member.added', need: 'log', fields: [...member, 'role'], subject: byEntity },
  MemberRoleChanged: {
    type: 'member.role.changed',
    need: 'log',
    fields: [...member, 'role'],
    subject: byEntity,
  },
  MemberRemoved: { type: 'member.removed', need: 'log', fields: member, subject: byEntity },

  RobotCreated: {
    type: 'robot.created',
    need: 'log',
    ...robotAt,
    fields: [...robot, 'project', 'projectId', ...robotSettings, 'createdAt', 'creatorType', 'creatorRef'],
  },
  RobotChanged: { type: 'robot.changed', need: 'log', ...robotAt, fields: [...robot, ...robotSettings] },
  RobotSecretChanged: { type: 'robot.secret.changed', need: 'log', ...robotAt, fields: robot },
  RobotPreviousSecretEnded: { type: 'robot.secret.ended', need: 'log', ...robotAt, fields: robot },
  RobotDeleted: { type: 'robot.deleted', need: 'log', ...robotAt, fields: robot },

  LabelCreated: {
    type: 'label.created',
    need: 'log',
    fields: [...label, 'description', 'color'],
    subject: byName,
  },
  LabelChanged: {
    type: 'label.changed',
    need: 'log',
    fields: [...label, 'description', 'color'],
    subject: byName,
  },
  LabelDeleted: { type: 'label.deleted', need: 'log', fields: label, subject: byName },

  ImmutableRuleCreated: {
    type: 'immutability.rule.created',
    need: 'log',
    fields: [...rule, 'isDisabled', 'repositories', 'tags', 'forbids', 'accessoryTags'],
  },
  ImmutableRuleChanged: {
    type: 'immutability.rule.changed',
    need: 'log',
    fields: [...rule, 'isDisabled', 'repositories', 'tags', 'forbids', 'accessoryTags'],
  },
  ImmutableRuleDeleted: { type: 'immutability.rule.deleted', need: 'log', fields: rule },

  WebhookPolicyCreated: {
    type: 'webhook.policy.created',
    need: 'log',
    fields: [...policy, 'name', 'description', 'eventTypes', 'isEnabled', 'filters'],
    more: targets,
    subject: byName,
  },
  WebhookPolicyChanged: {
    type: 'webhook.policy.changed',
    need: 'log',
    fields: [...policy, 'name', 'description', 'eventTypes', 'isEnabled', 'filters'],
    more: targets,
    subject: byName,
  },
  WebhookPolicyDeleted: {
    type: 'webhook.policy.deleted',
    need: 'log',
    fields: [...policy, 'name'],
    subject: byName,
  },
  WebhookPolicyPaused: {
    type: 'webhook.policy.paused',
    need: 'log',
    fields: ['policyId', 'projectId', 'name', 'target', 'reason'],
    subject: byName,
  },
  WebhookPolicyResumed: {
    type: 'webhook.policy.resumed',
    need: 'log',
    fields: ['policyId', 'projectId', 'name', 'from'],
    subject: byName,
  },
  WebhookDeliveriesRequested: telling,
  WebhookDelivered: telling,
  WebhookAttemptFailed: telling,
  WebhookDeliveryGivenUp: telling,
  WebhookRedeliveryRequested: telling,
  WebhookDeliveriesSwept: { private: 'Says what is listed no more, of what has long been over.' },
  // Its secret is nobody else's; that there is another one is.
  WebhookSecretChanged: {
    type: 'webhook.secret.changed',
    need: 'log',
    fields: [...policy, 'name'],
    subject: byName,
  },
  WebhookSecretRemoved: {
    type: 'webhook.secret.removed',
    need: 'log',
    fields: [...policy, 'name'],
    subject: byName,
  },

  RetentionPolicyCreated: {
    type: 'retention.policy.created',
    need: 'log',
    fields: [...policy, 'rules', 'cron'],
  },
  RetentionPolicyChanged: {
    type: 'retention.policy.changed',
    need: 'log',
    fields: [...policy, 'rules', 'cron'],
  },
  RetentionPolicyDeleted: { type: 'retention.policy.deleted', need: 'log', fields: policy },
  RetentionApplied: {
    type: 'retention.applied',
    need: 'log',
    fields: [
      ...policy,
      'executionId',
      'taskId',
      'trigger',
      'repository',
      'rules',
      'total',
      'retained',
      'deleted',
    ],
  },

  AccessTokenCreated: {
    type: 'access-token.created',
    need: 'system',
    fields: ['tokenId', ...user, 'name', 'description', 'permissions', 'createdAt', 'expiresAt'],
    subject: byUsername,
  },
  AccessTokenRevoked: {
    type: 'access-token.revoked',
    need: 'system',
    fields: ['tokenId', 'userId'],
    subject: ({ tokenId }) => String(tokenId),
  },
  CredentialUsed: { private: 'Says only when a credential was used last; what was done with it is told.' },
  PreferencesChanged: ownAffair,
  IdAllocated: { private: 'Numbers are given away ahead of the event that bears them.' },

  BlobStored: bytes,
  BlobLinked: bytes,
  BlobCondemned: intention,
  BlobReprieved: intention,
  BlobUnlinked: bytes,
  BlobDeleted: bytes,
  BlobDamaged: {
    type: 'blob.damaged',
    need: 'system',
    fields: ['digest', 'fault'],
    subject: ({ digest }) => digest,
    ...failed,
  },

  ManifestPushed: {
    type: 'artifact.pushed',
    need: 'read',
    fields: [...at, 'mediaType', 'size', 'artifactType', 'subject'],
  },
  ManifestDeleted: {
    type: 'artifact.deleted',
    need: 'read',
    fields: [...at, 'mediaType', 'size', 'subject'],
  },
  ManifestCondemned: intention,
  ManifestDamaged: { type: 'artifact.damaged', need: 'read', fields: [...at, 'fault'], ...failed },
  ManifestReprieved: intention,
  LabelAttached: { type: 'label.attached', need: 'read', fields: [...at, 'labelId'] },
  LabelDetached: { type: 'label.detached', need: 'read', fields: [...at, 'labelId'] },

  TagAssigned: { type: 'tag.assigned', need: 'read', fields: tagAt },
  TagMoved: { type: 'tag.moved', need: 'read', fields: [...tagAt, 'from'] },
  TagRemoved: { type: 'tag.removed', need: 'read', fields: tagAt },

  SystemCveAllowlistChanged: {
    type: 'cve-allowlist.changed',
    need: 'system',
    fields: ['cveIds', 'expiresAt'],
  },
  RepositoryDescribed: {
    type: 'repository.described',
    need: 'read',
    fields: ['repository', 'repositoryId', 'description'],
  },
  RepositoryDeleted: { type: 'repository.deleted', need: 'read', fields: ['repository', 'repositoryId'] },

  ConfigurationChanged: {
    type: 'configuration.changed',
    need: 'system',
    fields: ['items'],
    more: {
      shape: { secrets: z.array(z.string()).describe('The names of secrets among what has changed') },
      of: ({ sealed }) => ({ secrets: Object.keys(sealed) }),
    },
  },
  SigningKeyCreated: {
    type: 'signing-key.created',
    need: 'system',
    fields: ['kid', 'algorithm', 'signsFrom'],
    ...byKey,
  },
  SigningKeyRetired: {
    type: 'signing-key.retired',
    need: 'system',
    fields: ['kid', 'verifiesUntil'],
    ...byKey,
  },
  RefreshTokenIssued: sessions,
  RefreshTokenRevoked: sessions,

  LoginSucceeded: {
    type: 'login.succeeded',
    need: 'system',
    fields: ['kind', 'username'],
    subject: byUsername,
  },
  LoginFailed: {
    type: 'login.failed',
    need: 'system',
    fields: ['kind', 'username'],
    subject: byUsername,
    ...refused,
  },
  LoggedOut: {
    type: 'login.ended',
    need: 'system',
    fields: ['kind', 'username', 'all'],
    subject: byUsername,
  },
  ArtifactPulled: {
    type: 'artifact.pulled',
    need: 'read',
    fields: [...tagAt, 'projectId', 'pulledAt', 'times'],
  },
  ChangeRefused: {
    type: 'change.refused',
    need: 'log',
    fields: ['change', 'resource', 'entityType', 'project', 'projectId', 'status'],
    subject: ({ resource }) => resource,
    ...refused,
  },
  AuditLogPurged: { type: 'audit-log.purged', need: 'system', fields: ['type', 'from', 'until'] },
  AuditSettingsPinned: { type: 'audit-log.settings.pinned', need: 'system', fields: ['items'] },

  QuotaSet: { type: 'quota.set', need: 'member', fields: quota },
  QuotaWarned: { type: 'quota.warned', need: 'member', fields: [...quota, 'used'] },
  QuotaEased: { type: 'quota.eased', need: 'member', fields: [...quota, 'used'] },
  QuotaExceeded: {
    type: 'quota.exceeded',
    need: 'member',
    fields: [...quota, ...at, 'adding', 'used'],
    ...refused,
  },

  ...publishedWork,
};

function byEntity({ entityName }: { readonly entityName: string }): string {
  return entityName;
}

function projectFields<const More extends readonly string[]>(...more: More) {
  return ['name', 'projectId', ...more] as const;
}
