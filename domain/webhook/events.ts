import { z } from 'zod';
import { eventOf } from '../event-schema.ts';
import { repositorySelector, tagSelector } from '../selector/selector.ts';

/**
 * All policies of a project, or all that are for every project, among which a name is given once. By number and not by name
 * of the project, so that the next project of the name begins without any.
 */
export const webhooksStream = (projectId: number | null): string => `webhooks/${projectId ?? 'system'}`;

/** What the `sealed` part of a target is sealed for. */
export const webhookTargetContext = (policyId: number): string => `webhook/${policyId}`;
/** What a secret that a policy signs with is sealed for. */
export const webhookSecretContext = (policyId: number): string => `webhook-secret/${policyId}`;

/** What can be told, in Harbor's words. */
export const webhookEventTypes = [
  'DELETE_ARTIFACT',
  'PULL_ARTIFACT',
  'PUSH_ARTIFACT',
  'QUOTA_EXCEED',
  'QUOTA_WARNING',
  'REPLICATION',
  'SCANNING_COMPLETED',
  'SCANNING_FAILED',
  'SCANNING_STOPPED',
  'TAG_RETENTION',
] as const;
export type WebhookEventType = (typeof webhookEventTypes)[number];

/** How it can be told. */
export const notifyTypes = ['http', 'slack'] as const;
/** How the body of a request by `http` can be written. */
export const payloadFormats = ['Default', 'CloudEvents'] as const;

const target = z.object({
  type: z.enum(notifyTypes).describe('How it is told'),
  sealed: z.string().describe('The address and the authorization header, which are secrets, encrypted'),
  skipCertVerify: z.boolean().describe('Whether any certificate will do'),
  payloadFormat: z
    .enum(payloadFormats)
    .nullable()
    .describe('How the body is written; null where there is no choice'),
});
/** Where to tell it, as it is recorded. */
export type SealedTarget = z.infer<typeof target>;

const filters = z.object({
  repositories: repositorySelector
    .nullable()
    .describe(
      'The repositories that it tells of, by what stands after the project, or by the full name where it is for every project; null for all',
    ),
  tags: tagSelector.nullable().describe('The artifacts that it tells of, by their tags; null for all'),
});
/** Which of what happens is told. */
export type WebhookFilters = z.infer<typeof filters>;
export const noFilters: WebhookFilters = { repositories: null, tags: null };

const which = {
  policyId: z.int().positive().describe('The number that the management API shows'),
  project: z.string().nullable().describe('The project that it tells of; null for every project'),
  projectId: z.int().positive().nullable().describe('The number of that project; null for every project'),
  name: z.string().describe('What it is called; no other policy of the project is'),
};
const settings = {
  description: z.string().describe('What it is for, in the words of who made it'),
  targets: z.array(target).describe('Where it is told'),
  eventTypes: z.array(z.enum(webhookEventTypes)).describe('What is told'),
  isEnabled: z.boolean().describe('Whether anything is told for now'),
  filters: filters.describe('Which of it is told'),
};
const sealedSecret = z.string().describe('What it signs with, encrypted');
const previous = z
  .array(z.object({ sealed: sealedSecret, until: z.iso.datetime().describe('When it signs no more') }))
  .describe('What it signs with as well for a time, so that who checks can follow; the latest first');

export const webhookEvent = z.discriminatedUnion('type', [
  eventOf('WebhookPolicyCreated', 'What happens in a project is told to others from now on.', {
    ...which,
    ...settings,
  }),
  eventOf('WebhookPolicyChanged', 'Something else of a project is told, or to others.', {
    ...which,
    ...settings,
  }),
  eventOf('WebhookPolicyDeleted', 'A policy tells nothing any more; its name is free.', which),
  eventOf('WebhookSecretChanged', 'What a policy tells is signed with another secret, or is signed at all.', {
    ...which,
    sealed: sealedSecret,
    previous,
  }),
  eventOf('WebhookSecretRemoved', 'What a policy tells is not signed any more.', which),
]);
export type WebhookEvent = z.infer<typeof webhookEvent>;

/** Nothing was filtered before version 2, and each policy was of a project. */
const settingsUpcasters = [
  (data: Record<string, unknown>): Record<string, unknown> => ({ ...data, filters: noFilters }),
];
export const webhookUpcasters = {
  WebhookPolicyCreated: settingsUpcasters,
  WebhookPolicyChanged: settingsUpcasters,
  WebhookPolicyDeleted: [(data: Record<string, unknown>): Record<string, unknown> => data],
};
