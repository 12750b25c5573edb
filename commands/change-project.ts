import type { Metadata } from '../domain/event.ts';
import { projectDecider } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangeProject {
  readonly name: string;
  readonly projectId: number;
  /** Undefined for as it is. */
  readonly public: boolean | undefined;
  /** What is to be set, or with null removed; the rest stays. */
  readonly metadata: Readonly<Record<string, string | null>>;
}

/** Resolves to the log's position. @throws Refusal `project-unknown` */
export const changeProject =
  ({ record }: { readonly record: Recorder }) =>
  async (change: ChangeProject, metadata: Metadata): Promise<bigint> => {
    const command = { do: 'change-metadata', ...change } as const;
    return (await record(metadata, decision(projectStream(change.name), projectDecider, command))).position;
  };
