import { z } from 'zod';
import type { WebhookForm } from '../../commands/create-webhook-policy.ts';
import type { WebhookTarget } from '../../commands/webhook-targets.ts';
import type { TagSelector } from '../../domain/selector/selector.ts';
import { schemeOf, webhookUrl } from '../../domain/webhook/address.ts';
import {
  notifyTypes,
  payloadFormats,
  type WebhookEventType,
  type WebhookFilters,
  webhookEventTypes,
} from '../../domain/webhook/events.ts';
import type { WebhookSigning } from '../../projections/webhooks/projection.ts';
import type { LastTrigger, WebhookPolicy } from '../../projections/webhooks/queries.ts';
import { time } from './answer-forms.ts';
import { never } from './artifact-form.ts';
import { badRequest } from './faults.ts';
import { readRepositorySelector, readTagSelector, selectorAnswer, selectorForm } from './selector-form.ts';

const text = z
  .string()
  .nullish()
  .transform((given) => given ?? '');
const flag = z
  .boolean()
  .nullish()
  .transform((given) => given ?? false);

/** Harbor's `WebhookPolicy`, as far as a request can say something, and what it does not have, which may be left out. */
export const webhookForm = z.object({
  name: text,
  description: text,
  targets: z
    .array(
      z.object({
        type: text,
        address: text,
        auth_header: text,
        skip_cert_verify: flag,
        payload_format: text,
      }),
    )
    .nullish(),
  event_types: z.array(z.string()).nullish(),
  enabled: flag,
  filters: z.object({ repositories: selectorForm.nullish(), tags: selectorForm.nullish() }).nullish(),
});
type Sent = z.output<typeof webhookForm>;
type SentTarget = NonNullable<Sent['targets']>[number];

const maxName = 255;
const maxDescription = 1024;
const maxTargets = 20;
const maxHeader = 4096;

/** Control characters and halves of surrogate pairs, which no one can see or write. */
const illegal = /[\p{Cc}\p{Cs}]/u;

/** @throws RequestRefused 400 */
export function readWebhook(sent: Sent): WebhookForm {
  if (sent.name === '') throw badRequest('a webhook policy has a name');
  return readWebhookChange(sent);
}

/** Of a policy that is there, without a name where it keeps its own. @throws RequestRefused 400 */
export function readWebhookChange({
  name,
  description,
  targets,
  event_types,
  enabled,
  filters,
}: Sent): WebhookForm {
  if ([...name].length > maxName || illegal.test(name))
    throw badRequest(`the name of a webhook policy has at most ${maxName} visible characters`);
  if (description.length > maxDescription || description.includes('\0') || !description.isWellFormed())
    throw badRequest(`a description has at most ${maxDescription} characters`);
  if (!event_types?.length) throw badRequest('empty event type');
  if (!targets?.length) throw badRequest(`empty notification target with policy ${name}`);
  if (targets.length > maxTargets) throw badRequest(`a webhook policy has at most ${maxTargets} targets`);
  return {
    name,
    description,
    targets: targets.map((target) => readTarget(name, target)),
    eventTypes: [...new Set(event_types.map(readEventType))],
    isEnabled: enabled,
    ...(filters && { filters: readFilters(filters) }),
  };
}

/** Whatever is not said of a selector is as it is most often meant. */
const readFilters = ({ repositories, tags }: NonNullable<Sent['filters']>): WebhookFilters => ({
  repositories:
    repositories == null
      ? null
      : readRepositorySelector({ ...repositories, decoration: repositories.decoration || 'repoMatches' }),
  tags: tags == null ? null : readTagSelector({ ...tags, decoration: tags.decoration || 'matches' }),
});

function readEventType(text: string): WebhookEventType {
  const type = webhookEventTypes.find((each) => each === text);
  if (type === undefined) throw badRequest(`unsupported event type ${text}`);
  return type;
}

function readTarget(policy: string, target: SentTarget): WebhookTarget {
  const { address, auth_header: authHeader, skip_cert_verify: skipCertVerify } = target;
  requireAddress(address);
  const type = notifyTypes.find((each) => each === target.type);
  if (type === undefined) throw badRequest(`unsupported target type ${target.type} with policy ${policy}`);
  // It is sent as it is, so that it must not begin another header.
  if (authHeader.length > maxHeader || !/^[\t\x20-\x7e]*$/.test(authHeader))
    throw badRequest(`an auth header has at most ${maxHeader} characters of ASCII`);
  return { type, address, authHeader, skipCertVerify, payloadFormat: formatOf(type, target) };
}

function formatOf(
  type: WebhookTarget['type'],
  { payload_format }: SentTarget,
): WebhookTarget['payloadFormat'] {
  if (type === 'slack') {
    if (payload_format !== '') throw badRequest('set payload format is not allowed for slack');
    return null;
  }
  if (payload_format === '') return 'Default';
  const format = payloadFormats.find((each) => each === payload_format);
  if (format === undefined) throw badRequest(`unsupported payload format type: ${payload_format}`);
  return format;
}

/** The refusals do not repeat it, since it may hold a secret. */
function requireAddress(address: string): void {
  if (address.trim() === '') throw badRequest('empty URL');
  const scheme = schemeOf(address);
  if (scheme !== undefined && !['http', 'https'].includes(scheme))
    throw badRequest(`invalid scheme: ${scheme.slice(0, 20)}`);
  if (webhookUrl(address) === undefined)
    throw badRequest(
      'the address of a target is a URL of http or https without a user, of at most 2048 characters',
    );
}

const target = z
  .object({
    type: z.enum(notifyTypes),
    address: z.string(),
    auth_header: z.string().optional().describe('What is sent as `Authorization`'),
    skip_cert_verify: z.boolean(),
    payload_format: z.enum(payloadFormats).optional().describe('For `http` alone'),
  })
  .meta({ id: 'WebhookTargetObject' });

const selector = z.object(selectorAnswer).meta({ id: 'WebhookSelector' });

export const webhookAnswer = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string(),
    project_id: z.int().describe('0 for a policy that is for every project'),
    targets: z.array(target),
    event_types: z.array(z.enum(webhookEventTypes)),
    creator: z.string(),
    creation_time: time,
    update_time: time,
    enabled: z.boolean(),
    filters: z
      .object({ repositories: selector.optional(), tags: selector.optional() })
      .optional()
      .describe('Which of it is told; Harbor tells all'),
    signing: z
      .object({
        changed_at: z.iso.datetime(),
        previous_until: z.iso.datetime().optional().describe('Until when a secret from before signs too'),
      })
      .optional()
      .describe('Of the secret that it signs with, where it has one'),
  })
  .meta({ id: 'WebhookPolicy' });

/** @param targets those of the policy, opened */
export const shownWebhook = (policy: Omit<WebhookPolicy, 'targets'>, targets: readonly WebhookTarget[]) => ({
  id: policy.policyId,
  name: policy.name,
  description: policy.description,
  project_id: policy.projectId ?? 0,
  targets: targets.map(({ type, address, authHeader, skipCertVerify, payloadFormat }) => ({
    type,
    address,
    ...(authHeader !== '' && { auth_header: authHeader }),
    skip_cert_verify: skipCertVerify,
    ...(payloadFormat !== null && { payload_format: payloadFormat }),
  })),
  event_types: policy.eventTypes,
  creator: policy.creator,
  creation_time: policy.createdAt,
  update_time: policy.updatedAt,
  enabled: policy.isEnabled,
  ...((policy.filters.repositories ?? policy.filters.tags) !== null && {
    filters: shownFilters(policy.filters),
  }),
  ...(policy.signing !== null && { signing: shownSigning(policy.signing) }),
});

const shownFilters = ({ repositories, tags }: WebhookFilters) => ({
  ...(repositories !== null && { repositories }),
  ...(tags !== null && { tags: shownSelector(tags) }),
});
const shownSelector = ({ extras, ...selected }: TagSelector) => ({
  ...selected,
  ...(extras !== '' && { extras }),
});

const shownSigning = ({ changedAt, previous: [last] }: WebhookSigning) => ({
  changed_at: changedAt,
  ...(last !== undefined && Date.parse(last.until) > Date.now() && { previous_until: last.until }),
});

export const lastTriggerAnswer = z
  .object({
    policy_name: z.string(),
    event_type: z.enum(webhookEventTypes),
    enabled: z.boolean(),
    creation_time: time,
    last_trigger_time: time,
  })
  .meta({ id: 'WebhookLastTrigger' });

export const shownTrigger = ({ name, eventType, isEnabled, createdAt, triggeredAt }: LastTrigger) => ({
  policy_name: name,
  event_type: eventType,
  enabled: isEnabled,
  creation_time: createdAt,
  last_trigger_time: triggeredAt ?? never,
});

export const supportedAnswer = z
  .object({
    event_type: z.array(z.enum(webhookEventTypes)),
    notify_type: z.array(z.enum(notifyTypes)),
    payload_formats: z.array(
      z.object({ notify_type: z.enum(notifyTypes), formats: z.array(z.enum(payloadFormats)) }),
    ),
  })
  .meta({ id: 'SupportedWebhookEventTypes' });

export const supported: z.output<typeof supportedAnswer> = {
  event_type: [...webhookEventTypes],
  notify_type: [...notifyTypes],
  payload_formats: [{ notify_type: 'http', formats: [...payloadFormats] }],
};
