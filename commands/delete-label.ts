import type { Metadata } from '../domain/event.ts';
import { labelDecider } from '../domain/label/decider.ts';
import { labelsStream } from '../domain/label/events.ts';
import type { LabelKey } from './change-label.ts';
import { decision, type Recorder } from './record.ts';

/**
 * Resolves to the log's position. What the label is attached to is told nothing: no other label gets its number.
 * @throws Refusal `label-unknown`
 */
export const deleteLabel =
  ({ record }: { readonly record: Recorder }) =>
  async ({ labelId, projectId }: LabelKey, metadata: Metadata): Promise<bigint> => {
    const deleted = decision(labelsStream(projectId), labelDecider(labelId), { do: 'delete' });
    return (await record(metadata, deleted)).position;
  };
