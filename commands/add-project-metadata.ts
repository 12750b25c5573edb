import type { Metadata } from '../domain/event.ts';
import { projectDecider } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { decision, type Recorder } from './record.ts';

export interface AddProjectMetadata {
  readonly name: string;
  readonly projectId: number;
  readonly key: string;
  readonly value: string;
}

/** Resolves to the log's position. @throws Refusal `project-unknown`, `metadata-exists` */
export const addProjectMetadata =
  ({ record }: { readonly record: Recorder }) =>
  async (addition: AddProjectMetadata, metadata: Metadata): Promise<bigint> => {
    const command = { do: 'add-metadata', ...addition } as const;
    return (await record(metadata, decision(projectStream(addition.name), projectDecider, command))).position;
  };
