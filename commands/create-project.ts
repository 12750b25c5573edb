import type { Metadata } from '../domain/event.ts';
import { type CreateProject, projectDecider } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. @throws Refusal `project-exists` */
export const createProject =
  ({ record }: { readonly record: Recorder }) =>
  async (project: CreateProject, metadata: Metadata): Promise<bigint> =>
    (await record(metadata, decision(projectStream(project.name), projectDecider, project))).position;
