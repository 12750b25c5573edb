import type { Metadata } from '../domain/event.ts';
import { type ProjectChange, projectDecider } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangeProject extends ProjectChange {
  readonly name: string;
  readonly projectId: number;
}

/** Resolves to the log's position. @throws Refusal `project-unknown` */
export const changeProject =
  ({ record }: { readonly record: Recorder }) =>
  async (change: ChangeProject, metadata: Metadata): Promise<bigint> => {
    const command = { do: 'change', ...change } as const;
    return (await record(metadata, decision(projectStream(change.name), projectDecider, command))).position;
  };
