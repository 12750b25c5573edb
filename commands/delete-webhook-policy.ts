import type { Metadata } from '../domain/event.ts';
import { webhookDecider } from '../domain/webhook/decider.ts';
import { webhooksStream } from '../domain/webhook/events.ts';
import type { WebhookPolicyKey } from './change-webhook-policy.ts';
import { ofProject } from './create-webhook-policy.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. @throws Refusal `webhook-policy-unknown` */
export const deleteWebhookPolicy =
  ({ record }: { readonly record: Recorder }) =>
  async ({ policyId, project }: WebhookPolicyKey, metadata: Metadata): Promise<bigint> => {
    const which = ofProject(project, policyId);
    const deleted = decision(webhooksStream(which.projectId), webhookDecider(which), { do: 'delete' });
    return (await record(metadata, deleted)).position;
  };
