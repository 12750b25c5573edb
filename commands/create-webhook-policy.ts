import type { Metadata } from '../domain/event.ts';
import { requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { type WebhookSettings, webhookDecider } from '../domain/webhook/decider.ts';
import { webhooksStream } from '../domain/webhook/events.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';
import { sealTarget, type WebhookTarget } from './webhook-targets.ts';

export interface WebhookForm extends Omit<WebhookSettings, 'targets'> {
  readonly targets: readonly WebhookTarget[];
}

export interface WebhookProject {
  readonly name: string;
  readonly projectId: number;
}

/** A policy of the project, or one that is for every project. */
export const ofProject = (project: WebhookProject | null, policyId: number) => ({
  policyId,
  project: project?.name ?? null,
  projectId: project?.projectId ?? null,
});

export interface CreateWebhookPolicy {
  /** Null for a policy that is for every project. */
  readonly project: WebhookProject | null;
  readonly form: WebhookForm;
}

/** @throws Refusal `webhook-policy-exists`, `too-many-webhook-policies`, `project-unknown` */
export const createWebhookPolicy =
  ({
    record,
    allocateId,
    secrets,
  }: {
    readonly record: Recorder;
    readonly allocateId: AllocateId;
    readonly secrets: Pick<SecretBox, 'seal'>;
  }) =>
  async (
    { project, form }: CreateWebhookPolicy,
    metadata: Metadata,
  ): Promise<{ readonly policyId: number; readonly position: bigint }> => {
    const policyId = await allocateId('webhook', metadata);
    const which = ofProject(project, policyId);
    const targets = form.targets.map((target) => sealTarget(secrets, policyId, target));
    const settings = { ...form, targets };
    const created = decision(webhooksStream(which.projectId), webhookDecider(which), {
      do: 'create',
      settings,
    });
    const { position } =
      project === null
        ? await record(metadata, created)
        : await record(metadata, decision(projectStream(project.name), requiringProject, project), created);
    return { policyId, position };
  };
