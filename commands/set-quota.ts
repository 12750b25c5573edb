import type { Metadata } from '../domain/event.ts';
import { requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { quotaDecider } from '../domain/quota/decider.ts';
import { quotaStream } from '../domain/quota/events.ts';
import { decision, type Recorder } from './record.ts';

export interface SetQuota {
  readonly projectId: number;
  readonly project: string;
  /** In bytes, -1 for any number; also less than the project holds, which then takes in nothing more. */
  readonly storage: number;
}

/** Resolves to the log's position. @throws Refusal `project-unknown` */
export const setQuota =
  ({ record }: { readonly record: Recorder }) =>
  async ({ projectId, project, storage }: SetQuota, metadata: Metadata): Promise<bigint> => {
    await record(metadata, decision(projectStream(project), requiringProject, { name: project, projectId }));
    const command = { do: 'set', projectId, project, storage } as const;
    return (await record(metadata, decision(quotaStream(projectId), quotaDecider, command))).position;
  };
