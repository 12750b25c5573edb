import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/**
 * All policies of a project, among which a name is given once. By number and not by name of the project, so that the next
 * project of the name begins without any.
 */
export const webhooksStream = (projectId: number): string => `webhooks/${projectId}`;

/** What the `sealed` part of a target is sealed for. */
export const webhookTargetContext = (policyId: number): string => `webhook/${policyId}`;

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

const which = {
  policyId: z.int().positive().describe('The number that the management API shows'),
  project: z.string().describe('The project that it tells of'),
  projectId: z.int().positive().describe('The number of that project'),
  name: z.string().describe('What it is called; no other policy of the project is'),
};
const settings = {
  description: z.string().describe('What it is for, in the words of who made it'),
  targets: z.array(target).describe('Where it is told'),
  eventTypes: z.array(z.enum(webhookEventTypes)).describe('What is told'),
  isEnabled: z.boolean().describe('Whether anything is told for now'),
};

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
]);
export type WebhookEvent = z.infer<typeof webhookEvent>;
