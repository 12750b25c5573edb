import type { Metadata } from '../domain/event.ts';
import { projectDecider, requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { decision, type Recorder } from './record.ts';

export interface DeleteProject {
  readonly name: string;
  readonly projectId: number;
}

/**
 * The blobs go first that no manifest needs, so that nothing of them is there for the next project of the name. Resolves
 * to the log's position. @throws Refusal `project-unknown`, `project-not-empty`
 */
export const deleteProject =
  ({
    record,
    holdsRepositories,
    releaseBlobs,
  }: {
    readonly record: Recorder;
    holdsRepositories(project: string): Promise<boolean>;
    /** Takes every blob out of the project that no manifest needs. */
    releaseBlobs(project: string, metadata: Metadata): Promise<void>;
  }) =>
  async ({ name, projectId }: DeleteProject, metadata: Metadata): Promise<bigint> => {
    const stream = projectStream(name);
    await record(metadata, decision(stream, requiringProject, { name, projectId }));
    if (!(await holdsRepositories(name))) await releaseBlobs(name, metadata);
    const command = {
      do: 'delete',
      name,
      projectId,
      holdsRepositories: await holdsRepositories(name),
    } as const;
    return (await record(metadata, decision(stream, projectDecider, command))).position;
  };
