import type { Metadata } from '../domain/event.ts';
import { webhookPauseStream } from '../domain/webhook-delivery/events.ts';
import {
  type PausablePolicy,
  type WebhookPauseCommand,
  webhookPauseDecider,
} from '../domain/webhook-delivery/pause.ts';
import { decision, type Recorder } from './record.ts';

/** Holds up what is delivered for a policy, or lets it go on. Resolves to the log's position. */
export const pauseWebhookPolicy =
  ({ record }: { readonly record: Recorder }) =>
  async (policy: PausablePolicy, command: WebhookPauseCommand, metadata: Metadata): Promise<bigint> => {
    const changed = decision(webhookPauseStream(policy.policyId), webhookPauseDecider(policy), command);
    return (await record(metadata, changed)).position;
  };
