import type { Metadata } from '../domain/event.ts';
import { type LabelSettings, labelDecider } from '../domain/label/decider.ts';
import { labelsStream } from '../domain/label/events.ts';
import { decision, type Recorder } from './record.ts';

export interface LabelKey {
  readonly labelId: number;
  /** Null for a label of the system. */
  readonly projectId: number | null;
}

/** Resolves to the log's position. @throws Refusal `label-exists`, `label-unknown` */
export const changeLabel =
  ({ record }: { readonly record: Recorder }) =>
  async (
    { labelId, projectId, ...settings }: LabelKey & LabelSettings,
    metadata: Metadata,
  ): Promise<bigint> => {
    const command = { do: 'change', ...settings } as const;
    const decider = labelDecider(labelId, settings.name);
    return (await record(metadata, decision(labelsStream(projectId), decider, command))).position;
  };
