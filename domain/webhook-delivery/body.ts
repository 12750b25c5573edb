import type { SealedTarget } from '../webhook/events.ts';
import { cloudEventsPayload, defaultPayload, slackPayload } from '../webhook/payload.ts';
import type { Told } from './told.ts';

export type TargetForm = Pick<SealedTarget, 'type' | 'payloadFormat'>;

export interface Body {
  readonly contentType: string;
  readonly text: string;
}

/** What is sent to a target, as the target is now. */
export function bodyOf(
  { notification, facts }: Told,
  { type, payloadFormat }: TargetForm,
  policy: { readonly policyId: number; readonly projectId: number | null },
): Body {
  if (type === 'slack') return { contentType: 'application/json', text: slackPayload(notification, facts) };
  if (payloadFormat === 'CloudEvents')
    return {
      contentType: 'application/cloudevents+json',
      text: cloudEventsPayload(notification, facts, policy),
    };
  return { contentType: 'application/json', text: defaultPayload(notification, facts) };
}
