import type { Metadata } from '../domain/event.ts';
import { type LabelSettings, labelDecider } from '../domain/label/decider.ts';
import { labelsStream } from '../domain/label/events.ts';
import { requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

export interface CreateLabel extends LabelSettings {
  /** Null for a label of the system. */
  readonly project: { readonly name: string; readonly projectId: number } | null;
}

/** @throws Refusal `label-exists`, `project-unknown` */
export const createLabel =
  ({ record, allocateId }: { readonly record: Recorder; readonly allocateId: AllocateId }) =>
  async (
    { project, ...settings }: CreateLabel,
    metadata: Metadata,
  ): Promise<{ readonly labelId: number; readonly position: bigint }> => {
    const labelId = await allocateId('label', metadata);
    const projectId = project?.projectId ?? null;
    const command = { do: 'create', project: project?.name ?? null, projectId, ...settings } as const;
    const created = decision(labelsStream(projectId), labelDecider(labelId, settings.name), command);
    const { position } = await (project === null
      ? record(metadata, created)
      : record(metadata, decision(projectStream(project.name), requiringProject, project), created));
    return { labelId, position };
  };
