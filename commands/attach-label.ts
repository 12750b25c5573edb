import { attachingLabel, detachingLabel, type ManifestAt } from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import type { Metadata } from '../domain/event.ts';
import { labelDecider } from '../domain/label/decider.ts';
import { labelsStream } from '../domain/label/events.ts';
import type { LabelKey } from './change-label.ts';
import { decision, type Recorder } from './record.ts';

/** A label that there is, and a manifest of its project, or of any for a label of the system. */
export interface Labelling extends ManifestAt {
  readonly label: LabelKey;
}

/**
 * Attaches a label to a manifest, or detaches it. Resolves to the log's position.
 * @throws Refusal `label-unknown`, `artifact-unknown`, `label-attached`, `label-not-attached`
 */
const labelling =
  (decider: typeof attachingLabel | typeof detachingLabel) =>
  ({ record }: { readonly record: Recorder }) =>
  async ({ label, ...at }: Labelling, metadata: Metadata): Promise<bigint> => {
    const { labelId, projectId } = label;
    const { position } = await record(
      metadata,
      // Who deletes it at this moment leaves an event behind that says nothing: the views show labels that there are.
      decision(labelsStream(projectId), labelDecider(labelId), { do: 'require' }),
      decision(artifactStream(at.repository, at.digest), decider, { ...at, labelId }),
    );
    return position;
  };

export const attachLabel = labelling(attachingLabel);
export const detachLabel = labelling(detachingLabel);
