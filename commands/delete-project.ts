import type { Metadata } from '../domain/event.ts';
import { projectDecider } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { decision, type Recorder } from './record.ts';

export interface DeleteProject {
  readonly name: string;
  readonly projectId: number;
}

/** Resolves to the log's position. @throws Refusal `project-unknown`, `project-not-empty` */
export const deleteProject =
  ({
    record,
    holdsRepositories,
  }: {
    readonly record: Recorder;
    holdsRepositories(project: string): Promise<boolean>;
  }) =>
  async ({ name, projectId }: DeleteProject, metadata: Metadata): Promise<bigint> => {
    const command = {
      do: 'delete',
      name,
      projectId,
      holdsRepositories: await holdsRepositories(name),
    } as const;
    return (await record(metadata, decision(projectStream(name), projectDecider, command))).position;
  };
